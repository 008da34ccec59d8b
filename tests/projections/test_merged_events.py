"""Events of which two became one: the halves stay together in every batch, also when they cannot be applied."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

import pytest

from everfold import App, Data, Event, Position, Projection, Query, ReadModel, Record, Table, answer, merge, project
from everfold.projections import parking
from everfold.subscriptions import follow
from tests.app.stores import StoreMaker
from tests.projections.ledger import QuickClock


class Sent(Event, name="sent"):
    cents: int


class Charged(Event, name="charged"):
    fee: int


class Transferred(Event, name="transferred"):
    cents: int
    fee: int


@merge(("sent", 1), ("charged", 1), into=("transferred", 1))
def transferring(sent: Data, charged: Data) -> Data:
    return sent | charged


class Total(ReadModel, key="stream"):
    stream: str
    cents: int = 0
    fees: int = 0


class Totals(Query[dict[str, int]]):
    pass


UNLUCKY, TOO_MUCH = 13, 2**63


class Sums(Projection):
    totals: Table[Total]

    @project
    def transferred(self, event: Transferred, record: Record) -> None:
        row = self.totals.get(record.stream) or Total(record.stream)
        row.cents += event.cents
        row.fees += event.fee
        self.totals.put(row)
        if event.cents == UNLUCKY:
            raise ValueError("unlucky")

    @answer
    def all(self, query: Totals) -> dict[str, int]:
        return {row.stream: row.cents + 1000 * row.fees for row in self.totals.find()}


async def write(store: StoreMaker, *transfers: tuple[str, int]) -> None:
    """As the program wrote them before they were merged."""
    async with App("bank", store=store(), events=[Sent, Charged]) as app:
        for stream, cents in transfers:
            await app.store.append(stream, Sent(cents=cents), Charged(fee=1))


@asynccontextmanager
async def summed(store: StoreMaker) -> AsyncGenerator[App]:
    app = App(
        "bank", Sent, Charged, Transferred, Sums, transferring, store=store(), clock=QuickClock(), read_timeout=20.0
    )
    async with app:
        yield app


async def totals(app: App) -> dict[str, int]:
    return await app.ask(Totals(), after=Position(await app.store.head()))


@pytest.mark.parametrize("page", [2, 3, 1_000])
@pytest.mark.parametrize("bad", [UNLUCKY, TOO_MUCH])
async def test_halves_are_set_aside_and_tried_again_together(
    store: StoreMaker, monkeypatch: pytest.MonkeyPatch, page: int, bad: int
) -> None:
    """Whether the handler fails or the row that it makes, and wherever a span ends."""
    monkeypatch.setattr(follow, "WINDOW", page)
    await write(store, ("s-a", 1), ("s-b", 2), ("s-a", bad), ("s-b", 4), ("s-a", 8))
    async with summed(store) as app:
        assert await totals(app) == {"s-a": 1001, "s-b": 2006}
        (parked,) = await app.projections.parked()
        assert parked.position == 5
        behind = await app.projections.behind("sums", "s-a")
        assert [each.position for each in behind] == [5, 6, 9, 10]
        for _ in range(2):
            again = await app.projections.retry("sums", "s-a")
            assert again.applied == 0
            assert again.still_parked
            assert again.still_parked.position == 5
        mended = await app.projections.substitute("sums", 5, '{"cents":16}', reason="a typing error")
        assert (mended.applied, mended.still_parked) == (4, None)
        assert await totals(app) == {"s-a": 3025, "s-b": 2006}
        await app.projections.rebuild("sums")
        assert await totals(app) == {"s-a": 3025, "s-b": 2006}
        assert (await app.projections.compare("sums")).is_same


@pytest.mark.parametrize("at_once", [3, 200])
async def test_a_failure_behind_others_that_are_tried_again_keeps_what_was_applied(
    store: StoreMaker, monkeypatch: pytest.MonkeyPatch, at_once: int
) -> None:
    monkeypatch.setattr(parking, "AT_ONCE", at_once)
    await write(store, ("s-a", UNLUCKY), ("s-a", 1), ("s-a", TOO_MUCH), ("s-a", 2))
    async with summed(store) as app:
        assert await totals(app) == {}
        mended = await app.projections.substitute("sums", 1, '{"cents":4}', reason="a typing error")
        assert mended.applied == 4
        assert mended.still_parked
        assert mended.still_parked.position == 5
        assert mended.still_parked.error.startswith("OverflowError")
        assert await totals(app) == {"s-a": 2005}
        assert (await app.projections.substitute("sums", 5, '{"cents":8}', reason="as well")).applied == 4
        assert await totals(app) == {"s-a": 4015}
