"""Two processes that work for one projection: one stands by, takes over, and refuses what comes late (A18).

The leases' own clock tells who had which lease when; no test here waits for a fixed time.
"""

import signal
import sqlite3
import time
from collections.abc import Generator
from contextlib import closing
from pathlib import Path
from typing import NamedTuple

import pytest

from everfold.engines.sqlite.file_lock import FileLock
from everfold.errors import StoreBusy
from tests.reliability.read_side.examination import Examiner
from tests.reliability.read_side.forks import Fork, Forks, forking, patiently

SECONDS = 1.0
LOOKS = SECONDS / 5
"""How often those who stand by look."""
SLACK = 10.0
"""What a busy machine may add before a process gets its turn."""
LEASE = "projection entries 1"


@pytest.fixture
def forks() -> Generator[Forks]:
    with forking() as found:
        yield found


class Held(NamedTuple):
    """A lease, as the database has it; times in seconds since 1970."""

    owner: str
    token: int
    expires: float


def held(store: Path) -> Held | None:
    """Who has the lease."""
    with closing(sqlite3.connect(store.with_name("ledger.views.db"))) as connection:
        statement = "SELECT owner, token, expires / 1e6 FROM everfold_leases WHERE name = ?"
        row = connection.execute(statement, (LEASE,)).fetchone()
    return Held(*row) if row else None


def next_holder(store: Path, token: int) -> Held:
    """The lease, once it was granted anew."""
    for _ in patiently():
        found = held(store)
        if found and found.token > token:
            return found
    raise AssertionError


class Pair:
    """A leader, another that stands by, and a writer."""

    def __init__(self, forks: Forks, store: Path, *, lease: float) -> None:
        self.store = store
        self.examiner = Examiner(store)
        self.forks = forks
        forks.start("append", store=str(store), seed=1, count=40).until("done")
        self.leader = forks.start("work", store=str(store), lease=lease, halts=True)
        self.leader.until("lease granted")
        self.second = forks.start("work", store=str(store), lease=lease)
        self.second.until("ready")
        self.catch_up()

    def append(self, seed: int) -> None:
        """Something happens."""
        self.forks.start("append", store=str(self.store), seed=seed, count=16).until("done")

    def catch_up(self) -> None:
        """Wait until the projection knows everything; it is the fold of the log all the time."""
        for _ in patiently():
            assert self.examiner.faults() == []
            if self.examiner.builds and self.examiner.builds[0].position == len(self.examiner.log):
                return

    def holder(self) -> Held:
        """Who has the lease."""
        found = held(self.store)
        assert found
        return found


def test_a_leader_that_is_well_keeps_its_lease(forks: Forks, tmp_path: Path) -> None:
    pair = Pair(forks, tmp_path / "ledger.db", lease=3 * SECONDS)
    first = pair.holder()
    for _ in patiently():
        if pair.holder().expires > first.expires:
            break
    assert pair.holder()[:2] == first[:2], "the lease was not renewed, but taken by another"
    assert pair.second.hears("lease granted", seconds=0) is None


def test_the_second_takes_over_within_the_lease_time_when_the_first_is_killed(forks: Forks, tmp_path: Path) -> None:
    pair = Pair(forks, tmp_path / "ledger.db", lease=SECONDS)
    assert pair.second.hears("lease granted", seconds=0) is None
    pair.leader.kill()
    dead, last = time.time(), pair.holder()
    pair.append(seed=2)
    now = next_holder(pair.store, last.token)
    assert (now.token, now.owner == last.owner) == (last.token + 1, False)
    granted = now.expires - SECONDS
    assert granted >= last.expires - 0.001, "two had the lease at the same time"
    assert granted - dead < SECONDS + LOOKS + SLACK
    assert last.expires - dead <= SECONDS
    pair.catch_up()
    assert pair.examiner.builds[0].token == now.token


def test_the_second_takes_over_at_its_next_look_when_the_first_stops_cleanly(forks: Forks, tmp_path: Path) -> None:
    """The lease would have lasted for minutes."""
    pair = Pair(forks, tmp_path / "ledger.db", lease=SECONDS)
    last = pair.holder()
    pair.leader.stop()
    assert pair.holder().expires == 0 or pair.holder().token > last.token, "it did not give the lease back"
    pair.append(seed=2)
    pair.second.until("lease granted")
    pair.catch_up()
    assert pair.holder().token == last.token + 1


def test_a_leader_that_was_asleep_for_longer_than_its_lease_is_refused_by_the_fence(
    forks: Forks, tmp_path: Path
) -> None:
    """A15, A16, A18: it halts with a batch in its hands, and hands it over when another has gone on long since."""
    pair = Pair(forks, tmp_path / "ledger.db", lease=SECONDS)
    before = pair.holder()
    pair.leader.signal(signal.SIGUSR1)
    pair.append(seed=2)
    _, position, reached = pair.leader.until("halting")
    now = next_holder(pair.store, before.token)
    assert now.owner != before.owner
    pair.append(seed=3)
    pair.catch_up()
    assert pair.examiner.builds[0].position > reached > position
    pair.leader.signal(signal.SIGCONT)
    assert pair.leader.until("refused")[1:] == ["Fenced", position]
    pair.leader.until("lease lost")
    assert pair.examiner.faults() == []
    pair.append(seed=4)
    pair.catch_up()
    assert pair.holder()[:2] == now[:2], "the one that had slept did not stand by"
    pair.second.kill()
    assert pair.leader.until("lease granted")
    assert next_holder(pair.store, now.token).owner == before.owner
    pair.append(seed=5)
    pair.catch_up()


def test_leaders_put_to_sleep_at_any_moment_double_nothing(forks: Forks, tmp_path: Path) -> None:
    """A16, A18: the lease goes to and fro. One that sleeps within a transaction keeps the file: it is woken again."""
    pair = Pair(forks, tmp_path / "ledger.db", lease=0.2)
    writer = forks.start("append", store=str(pair.store), seed=9, pause=0.005)
    awake: list[Fork] = [pair.leader, pair.second]
    for _ in range(6):
        last = pair.holder()
        put_to_sleep(pair.store, awake[0])
        now = next_holder(pair.store, last.token)
        awake[0].signal(signal.SIGCONT)
        assert pair.examiner.faults() == []
        awake[1].until("lease granted")
        awake.reverse()
        assert now.token > last.token
    writer.kill()
    pair.catch_up()


def put_to_sleep(store: Path, process: Fork) -> None:
    """Stop it at a moment at which it does not keep others from writing."""
    lock = FileLock(f"{store.with_name('ledger.views.db')}-lock", timeout=0.05)
    for _ in patiently():
        process.signal(signal.SIGSTOP)
        if is_free(lock):
            break
        process.signal(signal.SIGCONT)
    lock.close()


def is_free(lock: FileLock) -> bool:
    try:
        with lock.held():
            return True
    except StoreBusy:
        return False
