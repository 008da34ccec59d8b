"""Two tables walked along by key: every row is seen once, and the first differences are kept."""

from collections.abc import Iterator

from hypothesis import given
from hypothesis import strategies as st

from everfold.log.table_difference import Difference, pairs_by_key


def keyed(rows: dict[int, int]) -> Iterator[tuple[int, int]]:
    return iter(sorted(rows.items()))


ROWS = st.dictionaries(st.integers(0, 20), st.integers(0, 2))


@given(ROWS, ROWS)
def test_every_key_comes_once_in_order_with_its_rows(before: dict[int, int], after: dict[int, int]) -> None:
    expected = [(key, before.get(key), after.get(key)) for key in sorted({*before, *after})]
    assert list(pairs_by_key(keyed(before), keyed(after))) == expected


def test_differences_are_counted_and_the_first_kept() -> None:
    found = Difference("rows")
    assert found.is_same
    found.note((1,), None, {"a": 1}, shown=3)
    found.note((2,), {"a": 1}, None, shown=3)
    found.note((3,), {"a": 1, "b": 1}, {"a": 1, "b": 2}, shown=3)
    found.note((4,), {"a": 1}, {"a": 2}, shown=3)
    assert (found.added, found.removed, found.changed, found.is_same) == (1, 1, 2, False)
    assert [(each.kind, each.key, each.fields) for each in found.examples] == [
        ("added", (1,), []),
        ("removed", (2,), []),
        ("changed", (3,), ["b"]),
    ]


def test_what_differs_may_be_said() -> None:
    found = Difference("rows")
    found.note((1,), {"a": 1.0, "b": 1}, {"a": 1.1, "b": 2}, fields=["b"])
    assert found.examples[0].fields == ["b"]
