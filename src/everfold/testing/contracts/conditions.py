"""Conditions: an append fails if selected records lie beyond what its decision knew (dynamic consistency boundary)."""

# ruff: noqa: D102, S101

from __future__ import annotations

import asyncio

import pytest

from everfold.log.condition import Condition
from everfold.log.engine import Engine
from everfold.log.selection import EVERYTHING, Selection
from everfold.log.write import Appended, Conflicted, StreamAppend, Write
from everfold.testing.contracts.engine_case import EngineCase, fresh, one, stored, to_stream, whole_log

__all__ = ["Conditions"]


def unless(selection: Selection, after: int, *, stream: str = "other-1") -> Write:
    """A write that must fail if selected records lie beyond the position."""
    return Write(appends=(StreamAppend(stream, fresh("checked")),), condition=Condition(selection, after))


BREAKING = [
    EVERYTHING,
    Selection(category="thing"),
    Selection(stream="thing-a"),
    Selection(types=("moved",)),
    Selection(types=("absent", "moved")),
    Selection(tags=("x",)),
    Selection(tags=("x", "y")),
    Selection(types=("moved",), tags=("y",)),
    Selection(category="thing", types=("moved",)),
    Selection(stream="thing-a", types=("moved",), tags=("x",)),
    Selection(tags=("absent",)) | Selection(tags=("y",)),
]
HOLDING = [
    Selection(category="thin"),
    Selection(category="things"),
    Selection(stream="thing-b"),
    Selection(types=("absent",)),
    Selection(tags=("absent",)),
    Selection(tags=("x", "absent")),
    Selection(types=("absent",), tags=("x",)),
    Selection(category="other", types=("moved",)),
    Selection(stream="thing-b", types=("moved",), tags=("x",)),
    Selection(tags=("absent",)) | Selection(types=("absent",)),
]


class Conditions(EngineCase):
    """Promise 4: conditions hold under any concurrency (A7)."""

    @pytest.mark.parametrize("selection", BREAKING)
    async def test_a_newer_selected_record_is_a_conflict(self, engine: Engine, selection: Selection) -> None:
        await stored(engine, to_stream("thing-a", *fresh(tags=("x", "y"))))
        assert isinstance(await one(engine, unless(selection, 0)), Conflicted)
        assert len(await whole_log(engine)) == 1

    @pytest.mark.parametrize("selection", BREAKING)
    async def test_a_record_the_decision_knew_is_no_conflict(self, engine: Engine, selection: Selection) -> None:
        await stored(engine, to_stream("thing-a", *fresh(tags=("x", "y"))))
        assert isinstance(await one(engine, unless(selection, 1)), Appended)

    @pytest.mark.parametrize("selection", HOLDING)
    async def test_a_record_outside_the_selection_is_no_conflict(self, engine: Engine, selection: Selection) -> None:
        await stored(engine, to_stream("thing-a", *fresh(tags=("x", "y"))))
        assert isinstance(await one(engine, unless(selection, 0)), Appended)

    @pytest.mark.parametrize("selection", BREAKING)
    async def test_a_newer_record_of_the_same_batch_is_a_conflict(self, engine: Engine, selection: Selection) -> None:
        first = to_stream("thing-a", *fresh(tags=("x", "y")))
        outcomes = await engine.append([first, unless(selection, 0)])
        assert [type(outcome) for outcome in outcomes] == [Appended, Conflicted]

    async def test_two_tags_on_different_records_do_not_add_up(self, engine: Engine) -> None:
        await stored(engine, to_stream("thing-a", *fresh(tags=("x",)), *fresh(tags=("y",))))
        assert isinstance(await one(engine, unless(Selection(tags=("x", "y")), 0)), Appended)

    async def test_an_old_match_and_a_new_other_record_are_no_conflict(self, engine: Engine) -> None:
        await stored(engine, to_stream("thing-a", *fresh(tags=("x", "y"))))
        await stored(engine, to_stream("thing-a", *fresh(tags=("x",)), *fresh("other", tags=("y",))))
        both = Selection(types=("moved",), tags=("x", "y"))
        assert isinstance(await one(engine, unless(both, 1)), Appended)

    async def test_a_condition_and_expected_versions_must_both_hold(self, engine: Engine) -> None:
        await stored(engine, to_stream("thing-a"))
        condition = Condition(Selection(stream="thing-a"), 1)
        stale = Write(appends=(StreamAppend("thing-b", fresh(), 3),), condition=condition)
        assert isinstance(await one(engine, stale), Conflicted)
        right = Write(appends=(StreamAppend("thing-b", fresh(), 0),), condition=condition)
        assert isinstance(await one(engine, right), Appended)

    async def test_a_write_may_break_its_own_condition_only_afterwards(self, engine: Engine) -> None:
        own = Write(
            appends=(StreamAppend("thing-a", fresh(tags=("x",))),), condition=Condition(Selection(tags=("x",)), 0)
        )
        assert isinstance(await one(engine, own), Appended)
        again = unless(Selection(tags=("x",)), 0)
        assert isinstance(await one(engine, again), Conflicted)

    async def test_a_position_beyond_the_log_is_known_too(self, engine: Engine) -> None:
        await stored(engine, to_stream("thing-a"))
        assert isinstance(await one(engine, unless(EVERYTHING, 1_000)), Appended)

    async def test_of_concurrent_appends_that_exclude_each_other_one_wins(self, engine: Engine) -> None:
        for seat in range(10):
            tag = f"seat:{seat}"
            write = [
                Write(
                    appends=(StreamAppend(f"booking-{seat}.{guest}", fresh(tags=(tag, f"guest:{guest}"))),),
                    condition=Condition(Selection(tags=(tag,)), 0),
                )
                for guest in range(8)
            ]
            outcomes = [outcome for (outcome,) in await asyncio.gather(*(engine.append([w]) for w in write))]
            assert [type(outcome) for outcome in outcomes].count(Appended) == 1
        assert len(await whole_log(engine)) == 10
