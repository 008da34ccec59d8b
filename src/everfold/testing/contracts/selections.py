"""Selections: category, stream, types, tags and alternatives, alone and combined, in both directions, in pages."""

# ruff: noqa: D102, S101

from __future__ import annotations

import pytest

from everfold.log.engine import Engine
from everfold.log.record import Record
from everfold.log.selection import EVERYTHING, Selection
from everfold.log.write import StreamAppend, Write
from everfold.testing.contracts.engine_case import EngineCase, fresh, stored, whole_log

__all__ = ["Selections"]

STREAMS = ("order-1", "order-2", "orders-1", "order.x-1", "ord-1", "cart-1")
TYPES = ("placed", "paid", "sent")
TAGS = ((), ("a",), ("b",), ("a", "b"), ("a", "c"), ("a", "b", "c"))
SELECTIONS = [
    EVERYTHING,
    Selection(category="order"),
    Selection(category="ord"),
    Selection(category="absent"),
    Selection(stream="order-1"),
    Selection(stream="absent-1"),
    Selection(types=("paid",)),
    Selection(types=("paid", "sent")),
    Selection(types=("absent",)),
    Selection(types=("absent", "paid", "paid")),
    Selection(tags=("a",)),
    Selection(tags=("a", "b")),
    Selection(tags=("c", "b", "a")),
    Selection(tags=("a", "a")),
    Selection(tags=("a", "absent")),
    Selection(category="order", types=("paid",)),
    Selection(category="order", types=("paid", "sent")),
    Selection(category="order", tags=("a",)),
    Selection(category="order", stream="order-1"),
    Selection(category="cart", stream="order-1"),
    Selection(stream="order-1", types=("paid",)),
    Selection(stream="order-1", types=("placed", "sent")),
    Selection(stream="order-2", tags=("b", "a")),
    Selection(types=("paid",), tags=("b",)),
    Selection(types=("paid", "sent"), tags=("a", "b")),
    Selection(category="orders", stream="orders-1", types=("sent", "paid"), tags=("a",)),
    Selection(tags=("b",)) | Selection(tags=("c",)),
    Selection(types=("paid",)) | Selection(category="cart") | Selection(stream="order-2", tags=("a",)),
    Selection(tags=("absent",)) | Selection(types=("absent",)),
    EVERYTHING | Selection(tags=("a",)),
    Selection(alternatives=(Selection(alternatives=(Selection(tags=("c",)), Selection(types=("sent",)))),)),
]

for_every_selection = pytest.mark.parametrize("selection", SELECTIONS, ids=range(len(SELECTIONS)))


def means(selection: Selection, record: Record) -> bool:
    """The meaning of selections, once more and independent of ``Selection.matches``."""
    if selection.alternatives:
        return bool([alternative for alternative in selection.alternatives if means(alternative, record)])
    if selection.category not in {None, record.stream.split("-")[0]}:
        return False
    if selection.stream not in {None, record.stream}:
        return False
    if selection.types and record.type not in selection.types:
        return False
    return set(selection.tags) <= set(record.tags)


async def fill(engine: Engine) -> list[Record]:
    """A log in which every combination occurs."""
    writes = [
        Write(appends=(StreamAppend(STREAMS[n % 6], fresh(TYPES[(n // 6) % 3], tags=TAGS[(n // 5) % 6])),))
        for n in range(90)
    ]
    await stored(engine, *writes)
    return await whole_log(engine)


class Selections(EngineCase):
    """Promises 3 and 4 rest on it: a selection means the same in reads and in conditions (A7, A9)."""

    @for_every_selection
    async def test_a_page_holds_exactly_the_selected_records(self, engine: Engine, selection: Selection) -> None:
        log = await fill(engine)
        expected = [record for record in log if means(selection, record)]
        assert list(await engine.read(selection, limit=1_000)) == expected
        assert list(await engine.read(selection, limit=1_000, backwards=True)) == expected[::-1]
        assert [record for record in log if selection.matches(record)] == expected

    @for_every_selection
    async def test_bounds_and_limits_cut_the_selected_records(self, engine: Engine, selection: Selection) -> None:
        log = await fill(engine)
        for after, until in ((0, 40), (17, 71), (60, 90), (89, 90), (30, 20)):
            expected = [r for r in log if means(selection, r) and after < r.position <= until]
            first = await engine.read(selection, after=after, until=until, limit=4)
            last = await engine.read(selection, after=after, until=until, limit=4, backwards=True)
            assert (list(first), list(last)) == (expected[:4], expected[::-1][:4])

    @for_every_selection
    async def test_pages_put_together_are_the_whole(self, engine: Engine, selection: Selection) -> None:
        log = await fill(engine)
        found: list[Record] = []
        while page := await engine.read(selection, after=found[-1].position if found else 0, limit=7):
            found.extend(page)
        assert found == [record for record in log if means(selection, record)]
