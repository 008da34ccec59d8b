"""Tables: a unit of work with an identity map. What handlers may do within a batch, and what they may not."""

from __future__ import annotations

import contextlib
import datetime as dt
import sqlite3
from typing import Any

import psycopg
import pytest

from everfold import NotFound, ReadModel, Table
from everfold.errors import BrokenRule
from everfold.projections.many_rows import AT_ONCE, FETCH
from everfold.projections.table import KEPT_ROWS, Turn
from tests.projections.tables import NAME, REFUSALS, Item, beside, dialect_of, fill, make_table, names, stored, undone

pytestmark = pytest.mark.usefixtures("dialect")


class Pair(ReadModel, key=("left", "right")):
    left: str
    right: int
    n: int = 0


class Daily(ReadModel, key="day"):
    day: dt.date
    n: int = 0


# --- one row


def test_a_row_is_the_same_object_wherever_it_comes_from(items: Table[Item]) -> None:
    row = Item("a")
    items.put(row)
    assert items["a"] is row
    assert items.get("a") is row
    assert items.find() == [row]
    assert items.find()[0] is row
    items.forget()
    again = items.find(id="a")[0]
    assert again is items["a"]
    assert again is not row


def test_what_is_not_there(items: Table[Item]) -> None:
    assert items.get("a") is None
    assert "a" not in items
    assert not items.delete("a")
    with pytest.raises(NotFound, match="no Item 'a'"):
        items["a"]
    with pytest.raises(NotFound, match="no Item 'a'"):
        del items["a"]


def test_changes_in_place_are_written(connection: Any, items: Table[Item]) -> None:
    items.put(Item("a"))
    items.flush(is_last=True)
    items["a"].n += 1
    row = items.get("a")
    assert row
    row.owner = "Ann"
    assert items.flush(is_last=True)
    assert stored(connection) == [Item("a", "Ann", 1)]
    assert not items.flush(is_last=True)


def test_a_row_may_be_changed_after_the_table_was_asked(connection: Any, items: Table[Item]) -> None:
    """What is pending is written before a search, and changes after that must not be lost."""
    items.put(Item("a"))
    items.flush(is_last=True)
    row = items["a"]
    assert items.count(n=0) == 1
    row.n = 1
    assert items.find(n=1) == [row]
    row.n = 2
    assert items.count(n=2) == 1
    row.n = 3
    items.flush(is_last=True)
    assert stored(connection) == [Item("a", "", 3)]


def test_a_change_after_a_search_is_seen_by_the_next_event(connection: Any) -> None:
    turn = Turn()
    items: Table[Item] = make_table(connection, Item, turn=turn)
    rows = [Item(name) for name in "abc"]
    for row in rows:
        turn.number += 1
        items.put(row)
        items.count()
        row.n += 1
    turn.number += 1
    assert items.count(n=1) == 3
    turn.number += 1
    items.put(Item("d"))
    assert items.count() == 4
    items.flush(is_last=True)
    assert [row.n for row in stored(connection)] == [1, 1, 1, 0]


def test_a_row_that_was_replaced_is_not_written(connection: Any, items: Table[Item]) -> None:
    old = Item("a", "old")
    items.put(old)
    items.count()
    items.put(Item("a", "new"))
    old.n = 5
    items.flush(is_last=True)
    assert stored(connection) == [Item("a", "new")]


def test_put_and_delete_in_any_order(connection: Any, items: Table[Item]) -> None:
    items.put(Item("a", n=1))
    assert items.delete("a")
    assert "a" not in items
    items.flush(is_last=True)
    assert stored(connection) == []
    items.put(Item("a", n=2))
    items.flush(is_last=True)
    del items["a"]
    items.put(Item("a", n=2))
    items.flush(is_last=True)
    assert stored(connection) == [Item("a", n=2)]
    row = items["a"]
    items.count()
    del items["a"]
    row.n = 3
    assert items.find() == []
    items.flush(is_last=True)
    assert stored(connection) == []


def test_only_rows_of_the_table_are_put(items: Table[Item]) -> None:
    class Other(Item):
        pass

    for wrong in (Pair("a", 1), Other("a"), "a"):
        with pytest.raises(TypeError, match="rows of that class only"):
            items.put(wrong)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]


def test_a_key_must_not_be_changed_in_place(connection: Any, items: Table[Item]) -> None:
    items.put(Item("a"))
    items.flush(is_last=True)
    items["a"].id = "b"
    for _ in range(2):  # it cannot be swallowed
        with pytest.raises(BrokenRule, match="from 'a' to 'b' in place"):
            items.flush()
    items.forget()
    row = items["a"]
    del items["a"]
    row.id = "b"
    items.put(row)
    items.flush(is_last=True)
    assert stored(connection) == [Item("b")]


def test_a_failed_flush_loses_nothing(connection: Any, items: Table[Item]) -> None:
    """A handler that swallows the error of a search must not make rows disappear."""
    items.put(Item("a", n=2**63))
    items.put(Item("b"))
    with undone(connection), contextlib.suppress(*REFUSALS):
        items.find()
    with undone(connection), pytest.raises(REFUSALS):
        items.flush(is_last=True)
    items.put(Item("a", n=1))
    items.flush(is_last=True)
    assert stored(connection) == [Item("a", n=1), Item("b")]


def test_keys_of_several_fields(connection: Any) -> None:
    pairs: Table[Pair] = make_table(connection, Pair)
    pairs.put(Pair("a", 1))
    pairs.put(Pair("a", 2))
    pairs.flush(is_last=True)
    pairs.forget()
    assert pairs["a", 2] == Pair("a", 2)
    assert pairs.get(("b", 1)) is None
    with pytest.raises(NotFound, match="no Pair 'b, 1'"):
        pairs["b", 1]
    for wrong in ("a1", ("a",), ("a", 1, 2), 5):
        with pytest.raises((TypeError, ValueError)):
            pairs.get(wrong)
    assert pairs.delete(("a", 1))
    assert pairs.find() == [Pair("a", 2)]


def test_a_table_of_nothing_but_a_key(connection: Any) -> None:
    class Seen(ReadModel, key="id"):
        id: str

    seen: Table[Seen] = make_table(connection, Seen)
    for _ in range(2):
        seen.put(Seen("a"))
        seen.flush(is_last=True)
        seen.forget()
    assert seen.count() == 1


def test_rows_of_another_process_cannot_be_written_over_unseen(connection: Any, items: Table[Item]) -> None:
    items.put(Item("a"))
    items.flush(is_last=True)
    with pytest.raises((sqlite3.IntegrityError, psycopg.DataError)):
        connection.execute(f"INSERT INTO {NAME} VALUES ('b', 5.5, 'x')")  # noqa: S608


# --- SQL beside the tables


def test_rows_that_are_changed_behind_the_back_of_a_forgetful_table(connection: Any, items: Table[Item]) -> None:
    items.put(Item("a"))
    items.release()
    connection.execute(f"UPDATE {NAME} SET n = 7")  # noqa: S608
    assert items["a"].n == 7


def test_a_row_from_before_is_not_changed_in_vain(connection: Any, items: Table[Item]) -> None:
    items.put(Item("a"))
    items.flush(is_last=True)
    row = items["a"]
    items.release()
    row.n = 5
    for _ in range(2):
        with pytest.raises(BrokenRule, match=r"changed after self\.connection was asked for"):
            items.flush()
    items.put(row)
    items.flush(is_last=True)
    assert stored(connection) == [Item("a", n=5)]


def test_rows_of_earlier_events_are_let_go(connection: Any) -> None:
    turn = Turn()
    items: Table[Item] = make_table(connection, Item, turn=turn)
    row = Item("a")
    items.put(row)
    items.release()
    turn.number += 1
    items.put(Item("b"))
    items.release()
    row.n = 5  # nobody could
    turn.number += 1
    items.flush()
    items.flush(is_last=True)
    assert names(stored(connection)) == "ab"


# --- memory


def test_memory_is_bounded(items: Table[Item]) -> None:
    for number in range(KEPT_ROWS + 1):
        items.put(Item(str(number)))
    row = items["1"]
    items.flush(is_last=True)
    items.trim()
    again = items["1"]
    assert again == row
    assert again is not row
    items.trim()
    assert items["1"] is again


def statements(connection: Any, table: Table[Any], keys: list[str]) -> int:
    """How many statements it takes to look for these keys."""
    seen: list[str] = []
    execute = connection.execute

    def seeing(statement: str, *values: object) -> object:
        seen.append(statement)
        return execute(statement, *values)

    connection.execute = seeing
    table.prefetch(keys)
    for key in keys:
        table.get(key)
    connection.execute = execute
    return len(seen)


def test_rows_are_read_in_advance_where_that_helps(connection: Any, items: Table[Item]) -> None:
    keys = [f"{number:04}" for number in range(0, 2 * FETCH, 2)]
    for key in keys:
        items.put(Item(key, n=int(key)))
    items.flush(is_last=True)
    other: Table[Item] = beside(connection, Item)
    first, then = {"sqlite": (2, 2), "postgresql": (3, 1)}[dialect_of(connection)]
    assert statements(connection, other, ["nobody", "knows"]) == first, "not before it is known to help"
    assert statements(connection, other, [f"{number:04}" for number in range(2 * FETCH)]) == then
    assert other["0004"].n == 4
    assert other.get("0005") is None
    assert statements(connection, other, keys) == 0


def test_nothing_is_asked_of_a_remote_table_that_is_known_to_be_empty(connection: Any, items: Table[Item]) -> None:
    asked = {"sqlite": 3, "postgresql": 1}[dialect_of(connection)]
    assert statements(connection, items, ["a", "b", "c"]) == asked
    items.put(Item("b"))
    items.flush(is_last=True)
    assert items["b"] == Item("b")
    items.release()
    connection.execute(f"INSERT INTO {NAME} (id, owner, n) VALUES ('d', '', 4)")  # noqa: S608
    assert items["d"].n == 4
    assert items["b"].n == 0
    assert items.get("a") is None


def test_many_rows_are_written_at_once_and_found_again(connection: Any, items: Table[Item]) -> None:
    for number in range(AT_ONCE + 2):
        items.put(Item(f"{number:05}", n=number))
    items.flush(is_last=True)
    assert items.count() == AT_ONCE + 2
    keys = [f"{number:05}" for number in range(1, AT_ONCE + 2)]
    for key in keys:
        del items[key]
    items.put(Item("00001", "again"))
    items.flush(is_last=True)
    assert stored(connection) == [Item("00000"), Item("00001", "again")]


def test_nothing_is_read_in_advance_for_keys_that_are_no_text(connection: Any) -> None:
    """The keys of streams are text, and none of them is a date."""
    days: Table[Daily] = make_table(connection, Daily)
    for number in range(1, 5):
        days.get(dt.date(2030, 1, number))
    days.prefetch(["a1", "a2"])
    assert days.count() == 0


# --- answers


def test_answers_cannot_write(connection: Any, items: Table[Item]) -> None:
    fill(items)
    items.flush(is_last=True)
    reading: Table[Item] = beside(connection, Item, is_writable=False)
    with pytest.raises(BrokenRule, match="Answers only read"):
        reading.put(Item("a"))
    with pytest.raises(BrokenRule, match="Answers only read"):
        reading.delete("a")
    with pytest.raises(BrokenRule, match="Answers only read"):
        del reading["a"]
    reading["a"].n = 99
    assert reading.find(n=99) == []
    reading.release()
    assert not reading.flush(is_last=True)
    assert stored(connection)[0].n == 0
