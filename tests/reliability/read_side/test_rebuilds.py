"""A rebuild gives what the live tables have: while others append, and after events were skipped and mended."""

import asyncio
import sqlite3
from collections.abc import AsyncGenerator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from everfold import App
from everfold.errors import EverfoldError
from everfold.projections import rebuild
from everfold.projections.build_consumer import build_up
from tests.reliability.processes import PATIENCE
from tests.reliability.read_side.examination import Examiner
from tests.reliability.read_side.forks import eventually, forking
from tests.reliability.read_side.ledger import EVENTS, FOLDS, UNLUCKY, Closed, Opened, Paid, Placed, projections


@pytest.fixture
def store(tmp_path: Path) -> Path:
    return tmp_path / "ledger.db"


@pytest.fixture
async def app(store: Path) -> AsyncGenerator[App]:
    async with App("ledger", *projections(), store=str(store), events=EVENTS, read_timeout=PATIENCE) as app:
        yield app


def tables(store: Path, name: str) -> dict[str, list[tuple[object, ...]]]:
    """The rows of each build of a projection, by its state, with what it has set aside."""
    with closing(sqlite3.connect(store.with_name("ledger.views.db"), isolation_level=None)) as views:
        views.execute("BEGIN")
        builds = views.execute("SELECT build, state FROM everfold_consumers WHERE name = ?", (name,)).fetchall()
        return {
            state: [
                *views.execute(f'SELECT * FROM "{FOLDS[name].table}__{build}" ORDER BY 1'),  # noqa: S608 (names of our own)
                *views.execute("SELECT position, state FROM everfold_parked WHERE build = ? ORDER BY 1", (build,)),
            ]
            for build, state in builds
        }


async def test_a_rebuild_while_another_process_appends_is_the_fold_of_the_log_all_the_time(
    app: App, store: Path
) -> None:
    """Readers never go back in time, and nothing of a build is wrong before, at and after the switch."""
    examiner, reached = Examiner(store), dict.fromkeys(FOLDS, 0)

    async def examine() -> None:
        while True:
            assert await asyncio.to_thread(examiner.faults) == []
            for build in examiner.builds:
                if build.state == "active":
                    assert build.position >= reached[build.name], "readers went back in time"
                    reached[build.name] = build.position

    with forking() as forks:
        writer = forks.start("append", store=str(store), seed=1, unlucky=0.03, pause=0.005)
        await eventually(lambda: at_least(app, 300))
        examining = asyncio.create_task(examine())
        numbers = [await app.projections.rebuild(name) for name in (*FOLDS, *FOLDS)]
        examining.cancel()
        (result,) = await asyncio.gather(examining, return_exceptions=True)
        assert isinstance(result, asyncio.CancelledError), result
        writer.kill()
    assert len(set(numbers)) == 2 * len(FOLDS)
    await eventually(lambda: examiner.faults() == [] and examiner.is_caught_up())
    for name in FOLDS:
        assert (await app.projections.compare(name)).is_same


async def at_least(app: App, position: int) -> bool:
    return min(status.position for status in await app.projections.statuses()) >= position


@pytest.mark.parametrize("name", FOLDS)
async def test_a_rebuild_equals_the_live_tables(app: App, store: Path, name: str) -> None:
    """Also with events that were skipped, mended, or are still set aside."""
    append = app.store.append
    for account in "abc":
        await append(f"account-{account}", Opened(owner="Ann"), Paid(amount=20), Paid(amount=UNLUCKY), Paid(amount=5))
        await append(f"order-{account}", Placed(account=account, total=7))
    last = await append("account-b", Closed(reason="moved"))
    await eventually(lambda: at_least(app, last.last))
    first, second, third = [parked.position for parked in await app.projections.parked("balances")]
    await app.projections.skip("balances", first, reason="it brings bad luck", actor="ann")
    await app.projections.substitute("balances", second, '{"amount":14}', reason="it was meant so", actor="ann")
    await app.projections.rebuild(name)
    found = tables(store, name)
    assert found["active"] == found["retired"]
    assert found["active"]
    if name == "balances":
        assert found["active"] == [
            ("a", "Ann", 25, 2), ("b", "Ann", 39, 3), ("c", "Ann", 20, 1), (third, "parked"), (third + 1, "waiting"),
        ]  # fmt: skip


async def test_what_is_decided_during_a_rebuild_holds_for_the_new_build_too(
    app: App, store: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It has begun, and not come to the event yet."""
    last = await app.store.append("account-a", Opened(owner="Ann"), Paid(amount=UNLUCKY), Paid(amount=5))
    await eventually(lambda: at_least(app, last.last))

    async def after_a_decision(*arguments: Any, **options: Any) -> None:
        await app.projections.skip("balances", 2, reason="it brings bad luck", actor="ann")
        await build_up(*arguments, **options)

    monkeypatch.setattr(rebuild, "build_up", after_a_decision)
    await app.projections.rebuild("balances")
    assert tables(store, "balances")["active"] == [("a", "Ann", 5, 1)]


async def test_what_is_decided_of_an_event_that_the_new_build_has_set_aside_already_holds_too(
    app: App, store: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    last = await app.store.append("account-a", Opened(owner="Ann"), Paid(amount=UNLUCKY), Paid(amount=5))
    await eventually(lambda: at_least(app, last.last))

    async def before_a_decision(*arguments: Any, **options: Any) -> None:
        await build_up(*arguments, **options)
        if await app.projections.parked("balances"):
            await app.projections.skip("balances", 2, reason="it brings bad luck", actor="ann")

    monkeypatch.setattr(rebuild, "build_up", before_a_decision)
    await app.projections.rebuild("balances")
    assert tables(store, "balances")["active"] == [("a", "Ann", 5, 1)]
    assert await app.projections.parked("balances") == []


async def test_of_two_rebuilds_at_the_same_time_one_is_refused(app: App, store: Path) -> None:
    """And the other is not disturbed."""
    await app.store.append("account-a", Opened(owner="Ann"), Paid(amount=20))
    await eventually(lambda: at_least(app, 2))
    both = [app.projections.rebuild("balances") for _ in range(2)]
    found = await asyncio.gather(*both, return_exceptions=True)
    (refused,) = [each for each in found if isinstance(each, BaseException)]
    with pytest.raises(EverfoldError, match="being rebuilt already"):
        raise refused
    assert tables(store, "balances")["active"] == [("a", "Ann", 20, 1)]
    assert Examiner(store).faults() == []
