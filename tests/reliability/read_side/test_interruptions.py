"""A15 and A14 without a kill: somebody stops, cancels or gives up in the middle of a batch, or the file is busy."""

import asyncio
import threading
from pathlib import Path

import pytest

from everfold import App, Event, Projection, Query, ReadModel, Record, Table, answer, project
from everfold.engines.sqlite.file_lock import FileLock
from everfold.errors import TimedOut
from tests.reliability.processes import PATIENCE
from tests.reliability.read_side.examination import Examiner
from tests.reliability.read_side.forks import eventually, forking
from tests.reliability.read_side.ledger import EVENTS, FOLDS, projections

COUNT = 40
MIDDLE = 20


class Counted(Event):
    number: int


class SeenRow(ReadModel, key="position", name="seen"):
    position: int


class HowMany(Query[int]):
    pass


class Gate:
    """A handler that waits here does so in the thread that writes, in the middle of its transaction."""

    def __init__(self) -> None:
        self.entered = threading.Event()
        self.opened = threading.Event()

    def pass_through(self) -> None:
        """Tell that somebody came, and wait."""
        self.entered.set()
        assert self.opened.wait(PATIENCE)


gate = Gate()


@pytest.fixture(autouse=True)
def new_gate(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(f"{__name__}.gate", Gate())


def projection(mode: str) -> type[Projection]:
    """Counts, and stops at the gate once."""

    class Seen(Projection, mode=mode):  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
        seen: Table[SeenRow]

        @project
        def counted(self, event: Counted, record: Record) -> None:
            self.seen.put(SeenRow(record.position))
            if event.number == MIDDLE and not gate.opened.is_set():
                gate.pass_through()

        @answer
        def how_many(self, query: HowMany) -> int:
            return self.seen.count()

    return Seen


def app(store: Path, mode: str) -> App:
    return App("counts", projection(mode), store=str(store), read_timeout=PATIENCE)


async def write(store: Path) -> None:
    async with App("counts", store=str(store), events=[Counted]) as writing:
        await writing.store.append("count-1", *(Counted(number=number) for number in range(COUNT)))


async def test_a_clean_stop_in_the_middle_of_a_batch_loses_no_row(tmp_path: Path) -> None:
    """A15: the batch ends as it began, whoever is no longer waiting for it."""
    await write(tmp_path / "counts.db")
    stopping = app(tmp_path / "counts.db", "async")
    async with asyncio.timeout(PATIENCE):
        await stopping.__aenter__()
        assert await asyncio.to_thread(gate.entered.wait, PATIENCE)
        stop = asyncio.create_task(stopping.__aexit__(None, None, None))
        for _ in range(10):
            await asyncio.sleep(0)  # it has cancelled by now, and waits for the thread
        gate.opened.set()
        await stop
    async with app(tmp_path / "counts.db", "async") as again:
        assert await again.ask(HowMany(), after=COUNT) == COUNT
        assert (await again.projections.compare("seen")).is_same


async def test_a_query_that_is_given_up_does_not_spoil_the_next(tmp_path: Path) -> None:
    """A live projection is folded by whoever asks."""
    await write(tmp_path / "counts.db")
    async with asyncio.timeout(PATIENCE), app(tmp_path / "counts.db", "live") as asked:
        asking = asyncio.create_task(asked.ask(HowMany(), timeout=0.05))
        assert await asyncio.to_thread(gate.entered.wait, PATIENCE)
        with pytest.raises(TimedOut):
            await asking
        gate.opened.set()
        assert await asked.ask(HowMany()) == COUNT
        assert await asked.ask(HowMany()) == COUNT


async def test_processes_that_are_stopped_cleanly_at_any_moment_lose_nothing(tmp_path: Path) -> None:
    """A14, A15, A16: as with kills, but each ends what it began and gives its leases back."""
    store = tmp_path / "ledger.db"
    examiner = Examiner(store)
    with forking() as forks:
        forks.start("append", store=str(store), seed=1, count=200, pause=0, unlucky=0.05).until("done")
        for stop in range(8):
            process = forks.start("project", store=str(store), lease=30, rebuilds=stop % 2 == 1)
            process.until("ready")
            process.hears("rebuilt", seconds=0.01 * stop)
            process.stop()
            assert examiner.faults() == []
            assert {build.name for build in examiner.builds} == set(FOLDS)
    async with App("ledger", *projections(), store=str(store), events=EVENTS) as last:
        await eventually(lambda: examiner.faults() == [] and examiner.is_caught_up())
        assert [status.parked > 0 for status in await last.projections.statuses()] == [True, False, False, False]


async def test_a_projection_whose_file_is_busy_for_long_goes_on_afterwards(tmp_path: Path) -> None:
    """A14. Peer: terminating the connection that listens ends the runner."""
    gate.opened.set()
    store = tmp_path / "counts.db"
    running = App("counts", projection("async"), store=str(store), lock_timeout=0.02, lease_seconds=0.1)
    async with running:
        lock = FileLock(f"{tmp_path}/counts.views.db-lock", timeout=PATIENCE)
        with lock.held():
            done = await running.store.append("count-1", *(Counted(number=number) for number in range(COUNT)))
            await eventually(lambda: has_problem(running))
            assert (await running.projections.status("seen")).lag == COUNT
        lock.close()
        assert await running.ask(HowMany(), after=done.last, timeout=PATIENCE) == COUNT


async def test_a_projection_whose_tables_are_dropped_while_it_is_paused_goes_on(tmp_path: Path) -> None:
    """A14: two rebuilds leave nothing of the build that it was paused with."""
    gate.opened.set()
    store = tmp_path / "counts.db"
    await write(store)
    async with app(store, "async") as running:
        assert await running.ask(HowMany(), after=COUNT) == COUNT
        await running.projections.pause("seen", "to look at it")
        await eventually(lambda: has_problem(running))
        for _ in range(2):
            await running.projections.rebuild("seen")
        await running.projections.resume("seen")
        done = await running.store.append("count-1", Counted(number=0))
        assert await running.ask(HowMany(), after=done.last) == COUNT + 1


async def has_problem(running: App) -> bool:
    """Whether its runner knows that it is paused, or that something is wrong."""
    return (await running.projections.status("seen")).problem is not None
