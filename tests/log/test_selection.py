"""Selections: what they mean, and how they combine. What engines make of them is in the engine contract."""

import pytest

from everfold.log.record import Record
from everfold.log.selection import EVERYTHING, Selection

RECORD = Record(1, "order-1", 1, "placed", 1, "id", 0, "{}", tags=("a", "b"))


@pytest.mark.parametrize(
    ("selection", "fits"),
    [
        (EVERYTHING, True),
        (Selection(category="order"), True),
        (Selection(category="orders"), False),
        (Selection(stream="order-1"), True),
        (Selection(stream="order-2"), False),
        (Selection(types=("sent", "placed")), True),
        (Selection(types=("sent",)), False),
        (Selection(tags=("b", "a")), True),
        (Selection(tags=("a", "c")), False),
        (Selection(category="order", types=("placed",), tags=("a",)), True),
        (Selection(category="order", types=("sent",), tags=("a",)), False),
        (Selection(tags=("c",)) | Selection(types=("placed",)), True),
        (Selection(tags=("c",)) | Selection(types=("sent",)), False),
    ],
)
def test_a_record_fits_or_not(selection: Selection, fits: bool) -> None:
    assert selection.matches(RECORD) is fits


def test_alternatives_are_flat() -> None:
    a, b, c = (Selection(tags=(name,)) for name in "abc")
    assert (a | b | c).parts == (a, b, c)
    assert (a | (b | c)).parts == (a, b, c)
    assert a.parts == (a,)
    assert Selection(alternatives=(a, Selection(alternatives=(b, c)))).parts == (a, b, c)


def test_any_of_one_is_that_one() -> None:
    only = Selection(category="order")
    assert Selection.any_of([only]) is only


def test_any_of_nothing_is_refused() -> None:
    with pytest.raises(ValueError, match="at least one"):
        Selection.any_of([])
