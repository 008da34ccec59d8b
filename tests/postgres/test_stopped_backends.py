"""Processes of the server stopped (SIGSTOP) while they commit: they delay others, and hide nothing."""

import asyncio
import os
import random
import signal
import time

from everfold.engines.postgres.engine import PostgresEngine
from everfold.testing.contracts.engine_case import positions, stored, to_stream, whole_log
from tests.postgres.conftest import BenchMaker
from tests.postgres.server import PostgresServer
from tests.reliability.read_side.forks import eventually

STOPS = 40
GATE = 77
DEFERRED = """
CREATE FUNCTION {schema}.pass_gate() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF new.stream = 'thing-held' THEN PERFORM pg_advisory_xact_lock_shared(77); END IF;
    RETURN NULL;
END $$;
CREATE CONSTRAINT TRIGGER gate AFTER INSERT ON {schema}.events DEFERRABLE INITIALLY DEFERRED
    FOR EACH ROW EXECUTE FUNCTION {schema}.pass_gate();
"""


async def test_a_backend_stopped_in_its_commit_delays_and_hides_nothing(
    postgres_server: PostgresServer, postgres_url: str
) -> None:
    """A9, A11: its event is seen by nobody, nobody overtakes it, and all are seen in order when it goes on."""
    first, second, reader = (PostgresEngine(postgres_url, readers=1) for _ in range(3))
    for engine in (first, second, reader):
        await engine.open()
    postgres_server.execute(DEFERRED.replace("{schema}", postgres_url.partition("schema=")[2]))
    waiting = b"SELECT pid FROM pg_locks WHERE locktype = 'advisory' AND objid = %s AND NOT granted"
    with postgres_server.connect() as gate:
        gate.execute(b"SELECT pg_advisory_lock(%s)", [GATE])
        held = asyncio.create_task(stored(first, to_stream("thing-held")))
        await eventually(lambda: bool(postgres_server.execute(waiting, GATE)))
        ((backend,),) = postgres_server.execute(waiting, GATE)
        os.kill(backend, signal.SIGSTOP)
    try:
        behind = asyncio.create_task(stored(second, to_stream("thing-behind")))
        awaited = asyncio.create_task(reader.wait(0))
        await asyncio.wait({held, behind, awaited}, timeout=0.3)
        assert not held.done()
        assert not behind.done()
        assert await positions(reader) == []
        assert await reader.wait(0, timeout=0) == 0
    finally:
        os.kill(backend, signal.SIGCONT)
    assert await awaited > 0
    (one,), (two,) = await held, await behind
    assert (one.first, two.first) == (1, 2)
    assert [record.stream for record in await whole_log(reader)] == ["thing-held", "thing-behind"]
    for engine in (first, second, reader):
        await engine.close()


def test_backends_may_be_stopped_at_any_moment(
    bench_at: BenchMaker, postgres_server: PostgresServer, postgres_url: str
) -> None:
    """A9, A14: of writers and of readers."""
    bench, chance = bench_at(f"{postgres_url}&application_name=stopped"), random.Random(2)
    bench.follower("follower-1")
    for name in ("p1", "p2", "p3"):
        bench.writer(name)
    bench.until_stored(10, "p1", "p2", "p3")
    backends = postgres_server.backends("stopped")
    for _ in range(STOPS):
        backend = chance.choice(backends)
        time.sleep(chance.uniform(0, 0.01))
        os.kill(backend, signal.SIGSTOP)
        time.sleep(chance.choice((0.001, 0.02, 0.1)))
        os.kill(backend, signal.SIGCONT)
    bench.until_stored(10, "p1", "p2", "p3")
    bench.finish()
    assert bench.history.told("failed", "unknown") == []
