"""The primary is killed and its standby promoted: nothing acknowledged is lost, and clients find their way alone."""

import asyncio
import os
import signal
from collections.abc import Generator

import pytest

from everfold.engines.postgres.engine import PostgresEngine
from everfold.errors import OutcomeUnknown, StoreReadOnly, StoreUnavailable
from everfold.log.write import Repeated
from everfold.testing.contracts.engine_case import one, stored, to_stream, whole_log
from tests.postgres.author import again, attempt
from tests.postgres.conftest import BenchMaker
from tests.postgres.server import PostgresServer, url_of_any
from tests.reliability.read_side.forks import eventually

WRITERS = ("p1", "p2", "p3")
SHOWS = b"SELECT pg_last_wal_replay_lsn() >= %s::pg_lsn"
WAITS = b"SELECT pid FROM pg_stat_activity WHERE wait_event = 'SyncRep'"


@pytest.fixture
def primary() -> Generator[PostgresServer]:
    with PostgresServer() as server:
        yield server


@pytest.fixture
def standby(primary: PostgresServer) -> Generator[PostgresServer]:
    with PostgresServer.standby_of(primary) as server:
        yield server


def test_nothing_acknowledged_is_lost_in_a_failover(
    primary: PostgresServer, standby: PostgresServer, bench_at: BenchMaker
) -> None:
    """A1 to A11, A13, A14: processes that write and read reconnect by themselves; positions go on without a gap."""
    bench = bench_at(url_of_any(primary, standby, schema="bank"))
    bench.follower("follower-1")
    for name in WRITERS:
        bench.writer(name)
    bench.until_stored(100, *WRITERS)
    ((receiver,),) = standby.execute(b"SELECT pid FROM pg_stat_wal_receiver")
    os.kill(receiver, signal.SIGSTOP)
    primary.wait(lambda: bool(primary.execute(WAITS)), "a commit to be under way")
    primary.kill9()
    os.kill(receiver, signal.SIGCONT)
    standby.promote()
    for name in WRITERS:
        bench.until_stored(20, name)
    bench.finish()
    unknown = bench.history.told("unknown")
    assert unknown  # some were in the middle of their commit, and none is left in the dark
    assert all("Retry with the same idempotency key" in each.said for each in unknown)
    assert {bench.history.tries[each.key][-1].outcome for each in unknown} <= {"stored", "repeated", "conflict"}
    assert {each.said.partition(":")[0] for each in bench.history.told("failed")} <= {"StoreUnavailable"}


@pytest.mark.parametrize("giving_up", ["pg_cancel_backend", "pg_terminate_backend"])
async def test_a_commit_that_no_standby_has_confirmed_is_unknown(
    primary: PostgresServer, standby: PostgresServer, giving_up: str
) -> None:
    """I3: the server gives up waiting, warns, and calls it committed. A retry waits for the standby again."""
    engine, other = (PostgresEngine(url_of_any(primary, standby, schema="bank"), readers=1) for _ in range(2))
    await engine.open()
    await other.open()
    await stored(engine, to_stream("thing-a"))
    standby.stop("immediate")
    write = attempt("key", {"thing-b": 1})
    waiting = asyncio.create_task(engine.append([write]))
    await eventually(lambda: bool(primary.execute(WAITS)))
    assert len(await whole_log(other)) == 1  # nobody sees it before it is safe
    ((backend,),) = primary.execute(WAITS)
    primary.execute(f"SELECT {giving_up}(%s)", backend)
    with pytest.raises(OutcomeUnknown, match="Retry with the same idempotency key"):
        await waiting
    retrying = asyncio.create_task(one(engine, again(write, tries=2)))
    asking = asyncio.create_task(other.reply("key"))
    await eventually(lambda: len(primary.execute(WAITS)) == 2)  # whoever is told that it is stored can rely on it
    standby.start()
    assert isinstance(await asyncio.wait_for(retrying, 60), Repeated)
    assert await asyncio.wait_for(asking, 60)
    await engine.close()
    await other.close()


async def test_a_standby_alone_is_refused_for_what_it_is(primary: PostgresServer, standby: PostgresServer) -> None:
    engine = PostgresEngine(primary.url(schema="bank"))
    await engine.open()
    await stored(engine, to_stream("thing-a"))
    await engine.close()
    with pytest.raises(StoreReadOnly, match=r"a standby\. Give the primary, or both hosts, in the URL"):
        await PostgresEngine(standby.url(schema="fresh")).open()
    ((reached,),) = primary.execute(b"SELECT pg_current_wal_lsn()::text")  # it confirms before it shows
    standby.wait(lambda: standby.execute(SHOWS, reached) == [(True,)], "the standby to show what it has")
    reading = PostgresEngine(standby.url(schema="bank"))
    await reading.open()
    assert len(await whole_log(reading)) == 1
    with pytest.raises(StoreReadOnly, match=r"a standby\. Give the primary, or both hosts, in the URL"):
        await reading.append([to_stream("thing-a")])
    await reading.close()
    with pytest.raises(StoreUnavailable, match="cannot be reached"):
        await PostgresEngine(standby.url(schema="bank", target_session_attrs="read-write")).open()
