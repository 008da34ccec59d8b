"""Tables on a connection of their own, as the handlers of a projection meet them within a batch."""

from __future__ import annotations

import sqlite3
from collections.abc import Generator
from contextlib import contextmanager
from typing import Any

from everfold import ReadModel
from everfold.engines.held_connection import HeldConnection
from everfold.projections.sql_table import SqlTable
from everfold.projections.table import Table, Turn

NAME = "rows__1"


@contextmanager
def database() -> Generator[HeldConnection]:
    connection = sqlite3.connect(":memory:", isolation_level=None, factory=HeldConnection)
    try:
        yield connection
    finally:
        connection.cache.clear()
        connection.close()


def make_table(
    connection: HeldConnection, model: type[ReadModel], *, is_writable: bool = True, turn: Turn | None = None
) -> Table[Any]:
    sql = SqlTable(model, NAME, "sqlite")
    for statement in sql.statements_to_create():
        connection.execute(statement)
    return Table(sql, connection, is_writable=is_writable, turn=turn)


def beside(connection: HeldConnection, model: type[ReadModel], *, is_writable: bool = True) -> Table[Any]:
    """Another view of the same table, which remembers nothing."""
    return Table(SqlTable(model, NAME, "sqlite"), connection, is_writable=is_writable)


class Item(ReadModel, key="id", indexes=["owner"]):
    id: str
    owner: str = ""
    n: int = 0


def stored(connection: HeldConnection) -> list[Item]:
    """The rows as somebody else sees them."""
    return beside(connection, Item).find()


def fill(items: Table[Item]) -> None:
    for number, (name, owner) in enumerate([("a", 1), ("b", 2), ("c", 1), ("d", 2), ("e", 1)]):
        items.put(Item(name, f"owner {owner}", number))


def names(rows: list[Item]) -> str:
    return "".join(row.id for row in rows)
