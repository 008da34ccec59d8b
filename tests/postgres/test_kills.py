"""Server, backends and clients killed in the middle of commits: nothing acknowledged is lost, nothing is half there.

``POSTGRES_KILLS=500`` kills more often than the 30 times of a usual run, ``POSTGRES_SEED=7`` in another order; add
``-o faulthandler_timeout=0`` for what takes longer than two minutes.
"""

import os
import random
import signal
import time
from collections import Counter
from collections.abc import Callable

from tests.postgres.bench import Bench
from tests.postgres.conftest import BenchMaker
from tests.postgres.server import PostgresServer

KILLS = int(os.environ.get("POSTGRES_KILLS", "30"))
SEED = int(os.environ.get("POSTGRES_SEED", "5"))
WRITERS = 3
WAITS = "set_config('synchronous_commit', 'on', true)"
END = b"SELECT pg_terminate_backend(%s)"


class Killer:
    """Kills, each time something else, and sees to it that there are always some who write."""

    def __init__(self, server: PostgresServer, bench: Bench) -> None:
        self.chance = random.Random(SEED)
        self._server = server
        self._bench = bench
        self._names = iter(range(10**6))
        self.writers: list[str] = []
        self.unknown = 0

    def replenish(self) -> None:
        """As many writers as there should be."""
        while len(self.writers) < WRITERS:
            name = f"p{next(self._names)}"
            self._bench.writer(name)
            self.writers.append(name)

    def kill(self, number: int) -> None:
        """The next one, a moment after others went on."""
        kinds: list[Callable[[], None]] = [self._server_itself, self._client, self._backend, self._client, self._end]
        self._bench.until_stored(5, *self.writers)
        time.sleep(self.chance.uniform(0, 0.03))
        kinds[number % len(kinds)]()

    def _server_itself(self) -> None:
        self._server.kill9()
        self._server.start()

    def _client(self) -> None:
        self._bench.kill(self.writers.pop(self.chance.randrange(WRITERS)))
        self.replenish()

    def _backend(self) -> None:
        self._server.kill_process(self.chance.choice(self._server.backends("everfold")))

    def _end(self) -> None:
        for backend in self._server.backends("everfold"):
            if self.chance.random() < 0.7:
                self._server.execute(END, backend)


def test_nothing_acknowledged_is_lost_whoever_is_killed(durable_server: PostgresServer, bench_at: BenchMaker) -> None:
    """A1 to A11, A13, A14: one log lives through all of it; what is unknown is resolved by the same key."""
    bench = bench_at(durable_server.url(schema="kills"))
    killer = Killer(durable_server, bench)
    bench.follower("follower-1")
    bench.follower("follower-2")
    killer.replenish()
    for number in range(KILLS):
        killer.kill(number)
    bench.until_stored(20, *killer.writers)
    bench.finish()
    outcomes = Counter(each.outcome for tries in bench.history.tries.values() for each in tries)
    assert outcomes["stored"] > KILLS * 5
    assert outcomes["conflict"]
    assert outcomes["unknown"] + outcomes["under way"] > KILLS / 5  # so it was in the middle of commits
    assert {each.said.partition(":")[0] for each in bench.history.told("failed")} <= {"StoreUnavailable"}


def test_the_check_is_able_to_fail_for_a_server_that_forgets(bench_at: BenchMaker) -> None:
    """A1: without what makes each append wait for the disk, it finds acknowledged appends that a crash has taken."""
    with PostgresServer({"synchronous_commit": "off"}) as server:
        bench = bench_at(server.url(schema="forgetful"))
        bench.writer("p1", rounds=1)
        bench.await_end("p1")
        ((function,),) = server.execute(b"SELECT pg_get_functiondef('forgetful.lock_1'::regproc)")
        assert WAITS in function
        server.execute(function.replace(WAITS, "1"))
        ((flusher,),) = server.execute(b"SELECT pid FROM pg_stat_activity WHERE backend_type = 'walwriter'")
        os.kill(flusher, signal.SIGSTOP)
        bench.writer("p2")
        bench.until_stored(20, "p2")
        server.kill9()
        server.start()
        assert any(finding.startswith("A1: ") for finding in bench.findings())
