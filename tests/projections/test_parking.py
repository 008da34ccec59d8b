"""Events set aside: each holds back its stream only, is seen with its traceback, and is dealt with once."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from everfold import App, NotFound, Position
from everfold.errors import InvalidMessage, ReadModelNotReady
from everfold.projections import parking
from tests.app.bank import Noted, Opened, Paid, Took
from tests.app.stores import StoreMaker
from tests.projections.changed import Doubling
from tests.projections.ledger import (
    TOO_MUCH,
    UNLUCKY,
    GetBalance,
    Ledger,
    caught_up,
    eventually,
    folded,
    ledger_app,
)


async def fill(app: App, amount: int = UNLUCKY) -> None:
    """Two accounts; the third event, a payment to a1, cannot be applied, and the fourth waits behind it."""
    for key in ("a1", "a2"):
        await app.store.append(f"account-{key}", Opened(owner="Ann"))
    await app.store.append("account-a1", Paid(amount=amount))
    await app.store.append("account-a1", Paid(amount=1))
    await app.store.append("account-a2", Paid(amount=2))


async def balance(app: App, account: str = "a1") -> int:
    return (await app.ask(GetBalance(account=account), after=Position(await app.store.head()))).balance


async def counts(app: App) -> tuple[int, int]:
    status = await app.projections.status("ledger")
    return status.parked, status.waiting


@pytest.mark.parametrize("amount", [UNLUCKY, TOO_MUCH])
async def test_a_stream_waits_and_the_others_go_on(store: StoreMaker, amount: int) -> None:
    """Whether the handler fails or the row that it makes."""
    async with ledger_app(store) as app:
        await fill(app, amount)
        assert (await balance(app), await balance(app, "a2")) == (0, 2)
        assert await counts(app) == (1, 1)
        await app.store.append("account-a1", Paid(amount=5))
        await app.store.append("account-a2", Took(amount=1))
        assert (await balance(app), await balance(app, "a2")) == (0, 1)
        assert await counts(app) == (1, 2)
        assert await caught_up(app) == (await folded(app)).rows()


async def test_it_is_listed_and_shown_with_its_traceback(store: StoreMaker) -> None:
    async with ledger_app(store) as app:
        await fill(app)
        await caught_up(app)
        (parked,) = await app.projections.parked()
        assert [parked] == await app.projections.parked("ledger")
        assert (parked.position, parked.stream, parked.type, parked.state) == (3, "account-a1", "paid", "parked")
        assert (parked.attempts, parked.error) == (4, "ValueError: unlucky")
        assert parked.traceback.startswith("Traceback")
        assert 'raise ValueError("unlucky")' in parked.traceback
        behind = await app.projections.behind("ledger", "account-a1")
        assert [(each.position, each.state) for each in behind] == [(3, "parked"), (4, "waiting")]
        assert await app.projections.behind("ledger", "account-a2") == []
        with pytest.raises(NotFound, match="There are: ledger"):
            await app.projections.parked("other")


async def test_what_fails_again_stays_and_is_counted(store: StoreMaker) -> None:
    async with ledger_app(store) as app:
        await fill(app)
        await caught_up(app)
        for attempts in (5, 6):
            again = await app.projections.retry("ledger", "account-a1")
            assert again.applied == 0
            assert again.still_parked
            assert (again.still_parked.position, again.still_parked.attempts) == (3, attempts)
        assert await caught_up(app) == (await folded(app)).rows()
        nothing = await app.projections.retry("ledger", "account-a2")
        assert (nothing.applied, nothing.still_parked) == (0, None)


@pytest.mark.parametrize("amount", [UNLUCKY, TOO_MUCH])
async def test_a_mended_event_is_applied_and_the_original_kept(store: StoreMaker, amount: int) -> None:
    async with ledger_app(store) as app:
        await fill(app, amount)
        await caught_up(app)
        mended = await app.projections.substitute("ledger", 3, '{"amount":10}', reason="a typing error", actor="ann")
        assert (mended.applied, mended.still_parked) == (2, None)
        assert (await balance(app), await counts(app)) == (11, (0, 0))
        event, _ = [each async for each in app.store.read()][2]
        assert event == Paid(amount=amount), "the log does not change"
        assert (await app.projections.compare("ledger")).is_same
        await app.projections.rebuild("ledger")
        assert await balance(app) == 11, "and holds for rebuilds"
        assert (await app.ask(GetBalance(account="a1"), as_of=Position(3))).balance == 10
        await app.store.append("account-a1", Paid(amount=1))
        assert await balance(app) == 12


async def test_a_bad_substitute_fails_and_another_is_taken(store: StoreMaker) -> None:
    async with ledger_app(store) as app:
        await fill(app)
        await caught_up(app)
        for data, error in [(f'{{"amount":{TOO_MUCH}}}', "OverflowError"), ('{"amount":"many"}', "UndecodableRecord")]:
            again = await app.projections.substitute("ledger", 3, data, reason="try")
            assert again.still_parked
            assert again.still_parked.error.startswith(error)
        assert (await app.projections.substitute("ledger", 3, '{"amount":1}', reason="try")).applied == 2
        assert await balance(app) == 2


async def test_an_event_is_skipped_for_a_reason(store: StoreMaker) -> None:
    async with ledger_app(store) as app:
        await fill(app)
        await caught_up(app)
        skipped = await app.projections.skip("ledger", 3, reason="nobody wants it")
        assert (skipped.applied, skipped.still_parked) == (2, None)
        assert (await balance(app), await counts(app)) == (1, (0, 0))
        await app.projections.rebuild("ledger")
        assert (await balance(app), await counts(app)) == (1, (0, 0))


async def test_skipping_one_meets_the_next(store: StoreMaker) -> None:
    async with ledger_app(store) as app:
        await fill(app)
        await app.store.append("account-a1", Paid(amount=TOO_MUCH))
        await app.store.append("account-a1", Paid(amount=3))
        await caught_up(app)
        skipped = await app.projections.skip("ledger", 3, reason="nobody wants it")
        assert skipped.applied == 2, "the one that was skipped, and the next one"
        assert skipped.still_parked
        assert skipped.still_parked.position == 6
        assert skipped.still_parked.error.startswith("OverflowError")
        assert (await balance(app), await counts(app)) == (1, (1, 1))
        assert (await app.projections.skip("ledger", 6, reason="nor it")).still_parked is None
        assert await balance(app) == 4


@pytest.mark.parametrize(
    ("position", "data", "reason", "error", "problem"),
    [
        (4, "{}", "because", NotFound, "set aside at position"),
        (99, "{}", "because", NotFound, "everfold parked list ledger"),
        (3, "{}", "  ", InvalidMessage, "Say why"),
        (3, "[1]", "because", InvalidMessage, "no JSON object"),
        (3, "{amount", "because", InvalidMessage, "no JSON object"),
    ],
)
async def test_decisions_that_are_none(
    store: StoreMaker, position: int, data: str, reason: str, error: type[Exception], problem: str
) -> None:
    async with ledger_app(store) as app:
        await fill(app)
        before = await caught_up(app)
        with pytest.raises(error, match=problem):
            await app.projections.substitute("ledger", position, data, reason=reason)
        assert (await caught_up(app), await counts(app)) == (before, (1, 1))


async def test_a_long_queue_is_dealt_with_page_by_page(store: StoreMaker, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parking, "AT_ONCE", 3)
    async with ledger_app(store) as app:
        await fill(app)
        for number in range(10):
            await app.store.append("account-a1", Paid(amount=1))
            await app.store.append("account-a2", *[Paid(amount=1)] * (number % 4 + 1))
        await caught_up(app)
        mended = await app.projections.skip("ledger", 3, reason="nobody wants it")
        assert (mended.applied, mended.still_parked) == (12, None)
        assert await balance(app) == 11


async def test_events_that_come_while_their_stream_is_tried_again_are_applied_once(store: StoreMaker) -> None:
    async with ledger_app(store) as app:
        await fill(app)
        await caught_up(app)

        async def write() -> None:
            for _ in range(20):
                await app.store.append("account-a1", Paid(amount=1))

        writing = asyncio.create_task(write())
        await app.projections.skip("ledger", 3, reason="nobody wants it")
        await writing

        async def is_free() -> bool:
            await app.projections.retry("ledger", "account-a1")
            return await counts(app) == (0, 0)

        await caught_up(app)
        await eventually(is_free)
        assert await balance(app) == 21


async def test_rows_that_the_projection_remembers_are_read_anew(store: StoreMaker) -> None:
    """It wrote them itself before, and somebody else retried meanwhile."""
    async with ledger_app(store) as app:
        await fill(app)
        await app.store.append("account-a2", Noted(lines=["x"]))  # writes to the row of a1 too
        assert (await app.ask(GetBalance(account="a1"), after=Position(6))).lines == ["x"]
        await app.projections.skip("ledger", 3, reason="nobody wants it")
        await app.store.append("account-a2", Noted(lines=["y"]))
        found = await app.ask(GetBalance(account="a1"), after=Position(7))
        assert (found.balance, found.lines) == (1, ["x", "y"])


async def test_a_projection_that_fails_on_everything_pauses_itself(store: StoreMaker) -> None:
    async with ledger_app(store) as app:
        for number in range(8):
            await app.store.append(f"account-k{number}", Paid(amount=1))  # of an account that was never opened

        async def is_paused() -> bool:
            return (await app.projections.status("ledger")).paused is not None

        await eventually(is_paused)
        status = await app.projections.status("ledger")
        assert status.paused
        assert status.paused.startswith("it failed on the events of 5 streams in a row, last at position 5: ")
        assert "There is no Balance 'k4'" in status.paused
        assert (status.state, status.position, status.parked) == ("paused", 4, 4)
        await app.projections.resume("ledger")

        async def is_paused_again() -> bool:
            again = await app.projections.status("ledger")
            return again.position == 8 and again.paused is None

        await eventually(is_paused_again)
        assert await counts(app) == (8, 0)


# --- builds


async def test_what_is_set_aside_by_old_code_is_not_tried_with_new_code(store: StoreMaker) -> None:
    """It would write what the new code means into tables of the old one."""
    async with ledger_app(store) as app:
        await fill(app)
        await caught_up(app)
    async with ledger_app(store, Doubling, role="server") as app:  # nobody runs the new code yet
        (parked,) = await app.projections.parked()
        assert len(await app.projections.behind("ledger", parked.stream)) == 2
        with pytest.raises(ReadModelNotReady, match="The code of 'ledger' has changed"):
            await app.projections.retry("ledger", parked.stream)
        with pytest.raises(ReadModelNotReady, match="tries every event again"):
            await app.projections.skip("ledger", parked.position, reason="because")
    async with ledger_app(store, Doubling) as app:

        async def is_built() -> bool:
            return (await app.projections.status("ledger")).parked == 0

        await eventually(is_built)
        assert await app.projections.parked() == [], "what the old build had set aside is not ours"
        assert await balance(app) == 2 * (UNLUCKY + 1)


async def test_where_nothing_has_run_yet_there_is_nothing_to_retry(store: StoreMaker) -> None:
    async with ledger_app(store, Ledger, role="server") as app:
        assert await app.projections.parked() == []
        with pytest.raises(NotFound, match="Nothing has run it yet"):
            await app.projections.retry("ledger", "account-a1")
    async with ledger_app(store, mode="live") as app:
        calls: list[Any] = [app.projections.parked("ledger"), app.projections.retry("ledger", "account-a1")]
        for call in calls:
            with pytest.raises(NotFound, match="nothing is kept of it"):
                await call
        assert await app.projections.parked() == []
