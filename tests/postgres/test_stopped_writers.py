"""Writers stopped (SIGSTOP) at any moment: the others go on, and no reader passes over anything.

``POSTGRES_HALT_SECONDS=60`` keeps one stopped for a whole minute.
"""

import os
import random
import signal
import time

from tests.postgres.bench import Bench
from tests.postgres.conftest import BenchMaker
from tests.postgres.server import PostgresServer

HALT_SECONDS = float(os.environ.get("POSTGRES_HALT_SECONDS", "2"))
SHORT_STOPS = 40
LONG_STOPS = 4
WRITERS = ("p1", "p2", "p3")
BOUND = 10.0
"""Seconds; on an idle machine others are never held up for more than some hundredths."""
SILENCE = 1.0
APPLIED = "SELECT position FROM {schema}.applied ORDER BY position"


def stopped(bench: Bench, name: str, chance: random.Random) -> None:
    """Stop a writer at any moment."""
    time.sleep(chance.uniform(0, 0.02))
    bench.alive[name].signal(signal.SIGSTOP)


def test_the_others_go_on_while_a_writer_is_stopped(bench_at: BenchMaker, postgres_url: str) -> None:
    """A9, A14: a stopped writer holds nothing, so the others store as much as they like while it sleeps."""
    bench, chance = bench_at(postgres_url), random.Random(1)
    bench.follower("follower-1")
    for name in WRITERS:
        bench.writer(name)
    for number in range(SHORT_STOPS):
        name = WRITERS[number % 3]
        stopped(bench, name, chance)
        if number % (SHORT_STOPS // LONG_STOPS) == 0:
            others = [other for other in WRITERS if other != name]
            bench.until_stored(100, *others, seconds=BOUND)
            if number == 0:
                deadline = time.monotonic() + HALT_SECONDS
                while time.monotonic() < deadline:
                    bench.until_stored(1, *others, seconds=BOUND)
        else:
            time.sleep(chance.uniform(0, 0.02))
        bench.alive[name].signal(signal.SIGCONT)
    bench.finish()
    assert {each.outcome for tries in bench.history.tries.values() for each in tries} == {"stored", "conflict"}
    assert bench.longest_wait(*WRITERS) < BOUND


def test_a_writer_stopped_within_a_longer_transaction_is_ended(
    bench_at: BenchMaker, postgres_server: PostgresServer, postgres_url: str
) -> None:
    """A2, A9, A15: with inline rows an append takes several messages. The server ends one that is silent in between."""
    bench = bench_at(postgres_url)
    bench.follower("follower-1")
    for name in WRITERS:
        bench.writer(name, hooked=True, silence=SILENCE)
    bench.until_stored(10, *WRITERS)
    for name in WRITERS:
        others = [other for other in WRITERS if other != name]
        writer = bench.alive[name]
        writer.signal(signal.SIGUSR1)
        writer.until("halting")
        bench.until_stored(50, *others, seconds=SILENCE + BOUND)
        writer.signal(signal.SIGCONT)
        bench.until_stored(1, name)
    log = bench.finish()
    assert {each.key[:2] for each in bench.history.told("failed", "unknown")} == set(WRITERS)
    schema = postgres_url.partition("schema=")[2]
    applied = postgres_server.execute(APPLIED.replace("{schema}", schema))
    assert [position for (position,) in applied] == [record.position for record in log if record.id[:2] in WRITERS]
