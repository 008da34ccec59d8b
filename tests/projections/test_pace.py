"""Which answers are made in the event loop's thread, and which are not any more."""

from __future__ import annotations

from everfold.projections.pace import MOMENT, TIMES, Pace


def test_an_answer_that_took_long_goes_another_way_for_a_while() -> None:
    pace = Pace()
    assert pace.is_quick("one")
    pace.took("one", 2 * MOMENT)
    assert pace.is_quick("other")
    assert [pace.is_quick("one") for _ in range(TIMES + 1)] == [False] * TIMES + [True]


def test_one_that_was_quick_is_tried_again() -> None:
    pace = Pace()
    pace.took("one", MOMENT / 2)
    assert pace.is_quick("one")
