"""Finding rows: searches, pages, statements of one's own, and SQLAlchemy on the driver's connection."""

from __future__ import annotations

from typing import Any

import pytest
import sqlalchemy as sa

from everfold import Page, ReadModel, Table
from everfold.errors import DefinitionError
from everfold.projections.finding import sqlalchemy_connection
from tests.projections.tables import NAME, Item, dialect_of, fill, make_table, names, stored

pytestmark = pytest.mark.usefixtures("dialect")


def test_find(items: Table[Item]) -> None:
    fill(items)
    columns = items.columns
    assert names(items.find()) == "abcde"
    assert names(items.find(owner="owner 1")) == "ace"
    assert names(items.find(columns.n > 1, owner="owner 1")) == "ce"
    assert names(items.find(columns.id.in_(["a", "c", "nothing"]))) == "ac"
    assert names(items.find(columns.id.in_([]))) == ""
    assert names(items.find(sa.or_(columns.n == 0, columns.owner.like("%2")))) == "abd"
    assert names(items.find(order_by="-n")) == "edcba"
    assert names(items.find(order_by=["owner", "-n"])) == "ecadb"
    assert names(items.find(order_by=("-owner",))) == "bdace"
    assert names(items.find(limit=2)) == "ab"
    assert names(items.find(limit=2, offset=4)) == "e"
    assert names(items.find(offset=3)) == "de"
    assert items.find(limit=0) == []
    assert items.find(owner=None) == []


def test_none_comes_first_as_it_does_in_python(connection: Any) -> None:
    class Maybe(ReadModel, key="id"):
        id: str
        n: int | None = None

    table: Table[Maybe] = make_table(connection, Maybe)
    for name, n in (("a", 2), ("b", None), ("c", 1)):
        table.put(Maybe(name, n))
    assert [row.id for row in table.find(order_by="n")] == ["b", "c", "a"]
    assert [row.id for row in table.find(order_by="-n")] == ["a", "c", "b"]
    assert [row.id for row in table.find(n=None)] == ["b"]


def test_pages(items: Table[Item]) -> None:
    fill(items)
    first = items.page(limit=2)
    assert (names(first.items), first.total, first.next_offset) == ("ab", 5, 2)
    last = items.page(limit=2, offset=4)
    assert (names(last.items), last.total, last.next_offset) == ("e", 5, None)
    assert items.page(owner="owner 2") == Page(items.find(owner="owner 2"), 2, 50, 0)
    assert items.page(limit=5).total == 5
    assert items.page(limit=0) == Page([], 5, 0, 0)
    assert items.page(offset=9).next_offset is None


def test_questions_that_make_no_sense(items: Table[Item]) -> None:
    with pytest.raises(DefinitionError, match=r"no field 'nothing'\. It has id, owner, n"):
        items.find(nothing=1)
    with pytest.raises(DefinitionError, match="no field 'nothing'"):
        items.find(order_by="-nothing")
    with pytest.raises(ValueError, match="numbers from 0"):
        items.find(limit=-1)
    with pytest.raises(ValueError, match="numbers from 0"):
        items.find(offset=-1)
    with pytest.raises(DefinitionError, match="select of whole rows"):
        items.rows(sa.select(items.columns.id))


def test_statements_of_ones_own(connection: Any, items: Table[Item]) -> None:
    fill(items)
    assert names(items.rows(items.select().where(items.columns.n >= 3))) == "de"
    assert items.rows(items.select().where(items.columns.id == "a"))[0] is items["a"]
    raw = sqlalchemy_connection(connection, dialect_of(connection))
    items.flush()
    assert raw.execute(sa.select(sa.func.sum(items.sql.c.n))).scalar_one() == 10


def test_a_search_sees_what_is_pending(items: Table[Item]) -> None:
    fill(items)
    items.flush(is_last=True)
    items["a"].n = 100
    del items["b"]
    items.put(Item("f", "owner 1", 6))
    assert names(items.find(order_by="-n", limit=2)) == "af"
    assert items.count() == 5


# --- SQLAlchemy on the driver's connection


def test_sqlalchemy_cannot_end_the_transaction(connection: Any, items: Table[Item]) -> None:
    connection.execute("COMMIT")
    connection.execute("BEGIN")
    items.put(Item("a"))
    items.flush()
    raw = sqlalchemy_connection(connection, dialect_of(connection))
    raw.execute(sa.update(items.sql).values(n=3))
    raw.commit()
    raw.execute(sa.update(items.sql).values(n=4))
    raw.rollback()
    with raw.begin():
        raw.execute(sa.update(items.sql).values(owner="x"))
    raw.close()
    assert connection.in_transaction
    with sqlalchemy_connection(connection, dialect_of(connection)) as again:  # a closed one is replaced
        assert again.execute(sa.select(items.sql)).all() == [("a", "x", 4)]
    assert (
        sqlalchemy_connection(connection, dialect_of(connection)).scalar(
            sa.select(sa.func.count()).select_from(items.sql)
        )
        == 1
    )
    connection.execute("ROLLBACK")
    assert items.sql.name == NAME
    assert stored(connection) == []
