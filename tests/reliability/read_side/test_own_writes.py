"""A12: who asks with what ``execute`` returned reads his own write, whichever process moves the projection."""

import asyncio
import signal
from collections.abc import AsyncGenerator, Generator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from everfold import App
from everfold.errors import NotFound, ReadModelBehind, ReadModelNotReady
from tests.reliability.read_side.forks import Forks, forking, patiently
from tests.reliability.read_side.ledger import EVENTS, Account, Pay, TotalOf, projections

WRITERS, ROUNDS = 8, 12


@pytest.fixture
def forks() -> Generator[Forks]:
    with forking() as found:
        yield found


@asynccontextmanager
async def ledger(store: Path, role: str) -> AsyncGenerator[App, None]:
    app = App("ledger", Account, *projections(), store=str(store), events=EVENTS, role=role, read_timeout=30)
    async with app:
        yield app


async def stale_reads(app: App, writer: int) -> list[str]:
    """Pay into an own account and a shared one, and ask at once; where an own payment was missing."""
    stale: list[str] = []
    for number in range(1, ROUNDS + 1):
        done = await app.execute(Pay(account=f"own{writer}"))
        if (seen := await app.ask(TotalOf(account=f"own{writer}"), after=done)) != number:
            stale.append(f"own{writer}: {seen} instead of {number}")
        done = await app.execute(Pay(account="shared"))
        if (seen := await app.ask(TotalOf(account="shared"), after=done)) < done.reply:
            stale.append(f"shared: {seen} instead of {done.reply} or more")
    return stale


async def test_own_writes_are_read_back_at_once_under_concurrency(tmp_path: Path) -> None:
    async with ledger(tmp_path / "ledger.db", "all") as app:
        found = await asyncio.gather(*(stale_reads(app, writer) for writer in range(WRITERS)))
        assert [stale for each in found for stale in each] == []
        assert await app.ask(TotalOf(account="shared")) == WRITERS * ROUNDS


async def test_own_writes_are_read_back_when_another_process_projects_and_is_killed(
    forks: Forks, tmp_path: Path
) -> None:
    """A12 and A14: another goes on from where it was, and all that waited are answered."""
    store = tmp_path / "ledger.db"
    worker = forks.start("project", store=str(store), lease=0.2)
    worker.until("ready")
    async with ledger(store, "server") as app:
        asking = [asyncio.create_task(stale_reads(app, writer)) for writer in range(WRITERS)]
        for _ in range(3):
            head = await app.store.head()
            await app.store.engine.wait(head + WRITERS)
            worker.kill()
            worker = forks.start("project", store=str(store), lease=0.2)
        found = await asyncio.gather(*asking)
        assert [stale for each in found for stale in each] == []
        assert await app.ask(TotalOf(account="shared")) == WRITERS * ROUNDS
    worker.stop()


async def test_the_check_is_able_to_fail_without_after(forks: Forks, tmp_path: Path) -> None:
    """While the other process sleeps, what was written is not seen; and whoever asks with ``after`` is told so."""
    store = tmp_path / "ledger.db"
    worker = forks.start("project", store=str(store), lease=60)
    async with ledger(store, "server") as app:
        done = await app.execute(Pay(account="a"))
        assert await ask_patiently(app, done.position) == 1
        assert (await app.projections.status("turnovers")).state == "running elsewhere"
        worker.signal(signal.SIGSTOP)
        done = await app.execute(Pay(account="a"))
        assert await app.ask(TotalOf(account="a")) == 1
        with pytest.raises(ReadModelBehind) as behind:
            await app.ask(TotalOf(account="a"), after=done, timeout=0.05)
        assert (behind.value.wanted, behind.value.reached) == (2, 1)
        worker.signal(signal.SIGCONT)
        assert await app.ask(TotalOf(account="a"), after=done) == 2
    worker.stop()


async def ask_patiently(app: App, position: int) -> int:
    """Ask until the other process has made the tables."""
    for _ in patiently():
        try:
            return await app.ask(TotalOf(account="a"), after=position)
        except (ReadModelNotReady, NotFound):
            await asyncio.sleep(0.005)
    raise AssertionError
