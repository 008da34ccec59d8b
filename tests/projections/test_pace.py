"""Which answers are made in the event loop's thread, and which are not any more."""

from __future__ import annotations

import time

from everfold.projections.pace import MOMENT, TIMES, Pace


def answer() -> None: ...


def other() -> None: ...


def test_an_answer_that_took_long_goes_another_way_for_a_while() -> None:
    pace = Pace()
    assert pace.is_quick(answer)
    begun = pace.begun()
    while time.thread_time() < begun + 2 * MOMENT:
        pass
    pace.ended(answer, begun)
    assert pace.is_quick(other)
    assert [pace.is_quick(answer) for _ in range(TIMES + 1)] == [False] * TIMES + [True]


def test_so_does_one_that_was_given_up() -> None:
    pace = Pace()
    pace.failed(answer)
    assert not pace.is_quick(answer)


def test_waiting_is_not_held_against_it() -> None:
    pace = Pace()
    begun = pace.begun()
    time.sleep(5 * MOMENT)
    pace.ended(answer, begun)
    assert pace.is_quick(answer)
