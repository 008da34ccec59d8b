"""Faults that were reproduced in other event stores and concern the read side. A test names the fault ours must not
have. Those of the log are in ``test_peers_faults``, those at the tail in ``read_side/test_followers``."""

import asyncio
import shutil
import sqlite3
from collections.abc import Callable
from contextlib import AsyncExitStack, closing
from pathlib import Path
from typing import Any

import pytest

from everfold import App
from everfold.engines.connect import connect
from everfold.engines.sqlite.engine import SqliteEngine
from everfold.engines.sqlite.file_kind import VIEWS
from everfold.engines.sqlite.read_database import Views
from everfold.errors import ReadModelBehind
from everfold.migration.export import export_store
from everfold.migration.restore import restore_store
from tests.reliability.processes import PATIENCE
from tests.reliability.read_side.examination import Examiner
from tests.reliability.read_side.forks import eventually
from tests.reliability.read_side.ledger import (
    EVENTS,
    FOLDS,
    UNLUCKY,
    Account,
    BalanceOf,
    Noted,
    Opened,
    Paid,
    Pay,
    TotalOf,
    projections,
)

NAMES = sorted(FOLDS)


@pytest.fixture
def store(tmp_path: Path) -> Path:
    return tmp_path / "ledger.db"


def ledger(store: Path, **settings: object) -> App:
    return App("ledger", *projections(), store=str(store), events=EVENTS, **{"read_timeout": PATIENCE, **settings})  # type: ignore[arg-type]


async def test_waiting_for_an_event_that_the_projection_ignores_returns(store: Path) -> None:
    """Peer: waiting for a position whose event type the projection ignores timed out though nothing was outstanding."""
    async with ledger(store) as app, asyncio.timeout(PATIENCE):
        paid = await app.store.append("account-a", Opened(owner="Ann"), Paid(amount=5))
        for _ in range(5):
            noted = await app.store.append("note-1", Noted(text="nobody minds"))
            assert noted.last > paid.last
            assert await app.ask(BalanceOf(account="a"), after=noted.last) == 5
        await eventually(lambda: all_are_at(app, 7))


async def all_are_at(app: App, position: int) -> bool:
    return {status.position for status in await app.projections.statuses()} == {position}


async def test_one_failing_event_does_not_stop_the_projection(store: Path) -> None:
    """Peer: one failing event stopped the runner for good, without retry, skip or dead letter."""
    async with ledger(store) as app:
        append = app.store.append
        await append("account-a", Opened(owner="Ann"), Paid(amount=5), Paid(amount=UNLUCKY), Paid(amount=7))
        last = await append("account-b", Opened(owner="Bob"), Paid(amount=6))
        assert await app.ask(BalanceOf(account="b"), after=last.last) == 6
        assert await app.ask(BalanceOf(account="a")) == 5
        (parked,) = await app.projections.parked()
        assert (parked.name, parked.position, parked.stream) == ("balances", 3, "account-a")
        assert parked.attempts > 1, "it was not retried before it was given up"
        retried = await app.projections.retry("balances", "account-a")
        assert retried.still_parked
        assert retried.still_parked.attempts == parked.attempts + 1
        await app.projections.skip("balances", 3, reason="it brings bad luck", actor="ann")
        assert await app.ask(BalanceOf(account="a")) == 12
        assert await app.projections.parked() == []
        last = await append("account-a", Paid(amount=2))
        assert await app.ask(BalanceOf(account="a"), after=last.last) == 14, "it had not heard of what was tried again"


async def test_an_error_of_a_handler_is_not_only_logged(store: Path) -> None:
    """Peer: events were handled in tasks nobody waited for, and errors of handlers were only logged."""
    async with ledger(store) as app:
        done = await app.store.append("account-a", Opened(owner="Ann"), Paid(amount=UNLUCKY))
        await eventually(lambda: all_are_at(app, done.last))
        status = await app.projections.status("balances")
        assert (status.parked, status.waiting, status.lag) == (1, 0, 0)
        (parked,) = await app.projections.parked("balances")
        assert "Unlucky" in parked.error
        assert "def paid" in parked.traceback or "in paid" in parked.traceback
        await app.store.append("account-a", Paid(amount=1))
        await eventually(lambda: has_waiting(app))
        assert await app.ask(TotalOf(account="a"), after=done.last) >= UNLUCKY, "other projections are not concerned"


async def has_waiting(app: App) -> bool:
    return (await app.projections.status("balances")).waiting == 1


async def test_who_wrote_what_was_set_aside_is_told_so_when_he_asks(store: Path) -> None:
    """And not given an answer in which his own write is missing."""
    app = App("ledger", Account, *projections(), store=str(store), events=EVENTS, read_timeout=PATIENCE)
    async with app:
        await app.store.append("account-a", Opened(owner="Ann"))
        done = await app.execute(Pay(account="a", amount=UNLUCKY))
        with pytest.raises(ReadModelBehind, match="set aside"):
            await app.ask(BalanceOf(account="a"), after=done)


async def test_the_second_of_two_runners_stands_by_and_takes_over(store: Path) -> None:
    """Peer: of two runners for one projection the second died."""
    async with ledger(store) as first:
        await eventually(lambda: all_are_in(first, "live"))
        async with ledger(store, lease_seconds=1) as second:
            await eventually(lambda: all_are_in(second, "running elsewhere"))
            done = await second.store.append("account-a", Opened(owner="Ann"), Paid(amount=5))
            assert await second.ask(BalanceOf(account="a"), after=done.last) == 5
            await first.__aexit__(None, None, None)
            done = await second.store.append("account-a", Paid(amount=6))
            assert await second.ask(BalanceOf(account="a"), after=done.last) == 11
            await eventually(lambda: all_are_in(second, "live"))
            assert Examiner(store).faults() == []


async def all_are_in(app: App, state: str) -> bool:
    return {status.state for status in await app.projections.statuses()} == {state}


async def test_an_event_committed_while_the_projection_starts_is_projected_without_another(store: Path) -> None:
    """Peer: an event committed between first read and LISTEN was delivered only when the next one came."""
    other = SqliteEngine(store)
    await other.open()
    async with App("ledger", store=other, events=EVENTS) as writing, asyncio.timeout(PATIENCE):
        await writing.store.append("account-a", Opened(owner="Ann"))
        for number in range(1, 11):
            app = ledger(store, lease_seconds=0.1)
            starting = asyncio.create_task(app.__aenter__())
            for _ in range(number * 3):
                await asyncio.sleep(0)  # some other moment of the start each time
            done = await writing.store.append("account-a", Paid(amount=1))
            await starting
            async with AsyncExitStack() as stack:
                stack.push_async_exit(app)
                assert await app.ask(BalanceOf(account="a"), after=done.last) == number


async def test_a_projection_commits_in_batches(store: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Peer: the projection committed once per event."""
    count, jobs = 3_000, 0
    write = Views.write

    async def counted(self: Views, job: Callable[[Any], Any]) -> Any:
        nonlocal jobs
        jobs += 1
        return await write(self, job)

    async with App("ledger", store=str(store), events=EVENTS) as app:
        await app.store.append("account-a", Opened(owner="Ann"), *(Paid(amount=1) for _ in range(count)))
    monkeypatch.setattr(Views, "write", counted)
    async with ledger(store) as app:
        await eventually(lambda: all_are_at(app, count + 1))
        assert await app.ask(BalanceOf(account="a")) == count
    assert jobs < count / 30


async def test_export_and_restore_keep_checkpoints_pointing_right(store: Path, tmp_path: Path) -> None:
    """Peer: a dump and restore renumbered positions, so stored checkpoints pointed elsewhere."""
    exported, restored = tmp_path / "ledger.jsonl", tmp_path / "restored.db"
    await write_and_project(store)
    async with App("ledger", store=str(store), events=EVENTS) as app:
        await export_store(app.store, exported)
    async with App("ledger", store=connect(str(restored)), events=EVENTS) as app:
        await restore_store(app.store, exported)
    shutil.copy(store.with_name("ledger.views.db"), restored.with_name("restored.views.db"))
    await goes_on_rightly(restored)


async def test_a_dump_of_the_read_models_keeps_checkpoints_pointing_right(store: Path, tmp_path: Path) -> None:
    """The same with what ``.dump`` writes of the views, in the middle of a log."""
    await write_and_project(store)
    views = store.with_name("ledger.views.db")
    copy = tmp_path / "copy.db"
    with closing(sqlite3.connect(views)) as source, closing(sqlite3.connect(copy)) as target:
        target.executescript("\n".join(source.iterdump()))
        target.execute(f"PRAGMA application_id = {VIEWS.application_id}")
        target.execute(f"PRAGMA user_version = {len(VIEWS.upgrades)}")
    remove_views(store)
    shutil.move(copy, views)
    await goes_on_rightly(store)


def remove_views(store: Path) -> None:
    for suffix in ("", "-wal", "-shm", "-lock"):
        Path(f"{store.with_name('ledger.views.db')}{suffix}").unlink(missing_ok=True)


async def write_and_project(store: Path) -> None:
    """Thirty records, of which the projections know the first twenty."""
    async with ledger(store) as app:
        for number in range(10):
            await app.store.append(f"account-{number}", Opened(owner="Ann"), Paid(amount=number + 20))
        await eventually(lambda: all_are_at(app, 20))
    async with App("ledger", store=str(store), events=EVENTS) as app:
        for number in range(10):
            await app.store.append(f"account-{number}", Paid(amount=1))


async def goes_on_rightly(store: Path) -> None:
    """Everything is applied once: neither is anything made anew, nor is anything missed or doubled."""
    examiner = Examiner(store)
    assert examiner.faults() == []
    assert {(build.build <= len(FOLDS), build.position) for build in examiner.builds} == {(True, 20)}
    async with ledger(store) as app:
        assert await app.ask(BalanceOf(account="3"), after=30) == 24
        await eventually(lambda: all_are_at(app, 30))
        assert examiner.faults() == []
        assert len(examiner.builds) == len(FOLDS)
        for name in NAMES:
            assert (await app.projections.compare(name)).is_same


async def test_read_models_that_are_not_restored_are_made_anew(store: Path) -> None:
    """Only the log has to be kept."""
    await write_and_project(store)
    remove_views(store)
    async with ledger(store) as app:
        assert await app.ask(BalanceOf(account="3"), after=30) == 24
        await eventually(lambda: all_are_at(app, 30))
    assert Examiner(store).faults() == []
