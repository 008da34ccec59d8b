"""A15, A16: a power cut takes the last transactions of a views file, rows and checkpoint together, and nothing else.

Its commits are not synced one by one (``synchronous=NORMAL``), because all of it can be made from the log again.
``EVERFOLD_CRASH_STATES`` sets how many states are explored, as in ``tests/reliability/power_loss``.
"""

import asyncio
import random
import shutil
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

import pytest

from everfold import App
from tests.reliability.power_loss.apsw_connection import ApswConnection
from tests.reliability.power_loss.campaign import BUDGET
from tests.reliability.power_loss.disk import Images
from tests.reliability.power_loss.explorer import Recording, moments
from tests.reliability.power_loss.power_cut import cut, fixed_cuts
from tests.reliability.power_loss.recovery import folder_in_memory, put
from tests.reliability.processes import PATIENCE
from tests.reliability.read_side.examination import Examiner
from tests.reliability.read_side.ledger import EVENTS, FOLDS, projections
from tests.reliability.read_side.recorded_views import LaterCheckpoint, LaterRows, make_log, recorded

STATES = BUDGET // 5
GOING_ON = 60
"""Behind every so many states, the application is started and catches up."""


class State(NamedTuple):
    """What one cut leaves, and how to speak of it."""

    address: str
    images: Images


def some_states(recording: Recording, count: int) -> Iterator[State]:
    """About so many cuts, spread over all moments: nothing kept of what was not synced, all of it, any part of it."""
    chance = random.Random(recording.address)
    total = sum(1 for _ in moments(recording))
    for moment in moments(recording):
        for choice in range(3):
            if chance.random() < count / total / 3:
                fixed = fixed_cuts(moment.disk)
                number = min(choice, fixed - 1) if choice < 2 else fixed + chance.randrange(1_000)
                address = f"{recording.address}/{moment.prefix}.{number}"
                yield State(address, cut(moment.disk, number, random.Random(address)))


class Scene:
    """A folder in which the power was cut."""

    def __init__(self, log: Path, folder: Path) -> None:
        self.store = folder / "ledger.db"
        self.examiner = Examiner(self.store)
        self._views = folder / "ledger.views.db"
        shutil.copy(log, self.store)

    def faults(self, state: State) -> list[str]:
        """What is wrong after a cut: with the file that SQLite recovers, and with what it holds."""
        put(state.images, str(self._views))
        with closing(sqlite3.connect(self._views)) as connection:
            damages = [text for (text,) in connection.execute("PRAGMA integrity_check") if text != "ok"]
        return damages + self.examiner.faults()

    def positions(self) -> tuple[int, ...]:
        """Where the builds were at the last look."""
        return tuple(build.position for build in self.examiner.builds)

    async def go_on(self) -> None:
        """Start the application, and wait until it has caught up."""
        async with App("ledger", *projections(), store=str(self.store), events=EVENTS):
            async with asyncio.timeout(PATIENCE):
                while not self.examiner.is_caught_up():
                    await asyncio.sleep(0.002)
                    assert self.examiner.faults() == []
        self.examiner = Examiner(self.store)  # the next cut is in another world, where leases begin anew


@pytest.fixture
def log(tmp_path: Path) -> Path:
    asyncio.run(make_log(tmp_path / "ledger.db", count=70))
    return tmp_path / "ledger.db"


def test_rows_and_checkpoint_are_lost_together_and_made_again(
    log: Path, record_property: Callable[[str, object], None]
) -> None:
    recording = recorded(log)
    reached: list[tuple[int, ...]] = []
    with folder_in_memory() as folder:
        scene = Scene(log, folder)
        for state in some_states(recording, STATES):
            assert scene.faults(state) == [], state.address
            reached.append(scene.positions())
            if len(reached) % GOING_ON == 0:
                asyncio.run(scene.go_on())
        asyncio.run(scene.go_on())
        assert set_aside(scene.store), "nothing was set aside"
    record_property("crash_states", len(reached))
    assert len(reached) > STATES / 2
    assert len(set(reached)) > 10 * len(FOLDS), "the cuts left hardly anything different"
    falls = sum(sum(later) < sum(earlier) for earlier, later in pairwise(reached))
    assert falls > 10, "no cut took a transaction that had been committed: this shows nothing"


def set_aside(store: Path) -> list[tuple[int]]:
    with closing(sqlite3.connect(store.with_name("ledger.views.db"))) as views:
        return views.execute("SELECT position FROM everfold_parked").fetchall()


@pytest.mark.parametrize(("kind", "anomaly"), [(LaterCheckpoint, "A16"), (LaterRows, "A15")])
def test_a_writer_that_commits_rows_and_checkpoint_apart_is_found_out(
    log: Path, kind: Callable[[str], ApswConnection], anomaly: str
) -> None:
    recording = recorded(log, kind=kind)
    with folder_in_memory() as folder:
        scene = Scene(log, folder)
        found = (fault for state in some_states(recording, STATES) for fault in scene.faults(state))
        assert any(fault.startswith(anomaly) for fault in found)
