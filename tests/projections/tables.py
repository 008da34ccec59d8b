"""Tables on a connection of their own, as the handlers of a projection meet them within a batch; in either dialect."""

from __future__ import annotations

import sqlite3
import uuid
from collections.abc import Generator
from contextlib import contextmanager
from typing import Any

import psycopg
import pytest

from everfold import ReadModel
from everfold.engines.held_connection import HeldConnection
from everfold.projections.sql_table import SqlTable
from everfold.projections.table import Table, Turn

NAME = "rows__1"
REFUSALS = (
    sqlite3.IntegrityError,
    psycopg.DataError,
    psycopg.IntegrityError,
    OverflowError,
    ValueError,
    TypeError,
    AttributeError,
)
"""What a value that does not fit its column may raise."""
_conninfo: list[str] = []
"""Where PostgreSQL is, while tests are to use it."""


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def dialect(request: pytest.FixtureRequest) -> Generator[str]:
    """Whose SQL the databases of a test speak."""
    if request.param == "postgresql":
        _conninfo.append(request.getfixturevalue("postgres_server").dsn)
    yield request.param
    _conninfo.clear()


@contextmanager
def database() -> Generator[Any]:
    """A connection to a database of its own, in a transaction as jobs have it; in the dialect of the test."""
    connection: Any
    if _conninfo:
        connection = _postgresql(_conninfo[0])
    else:
        connection = sqlite3.connect(":memory:", isolation_level=None, factory=HeldConnection)
    connection.execute("BEGIN")
    try:
        yield connection
    finally:
        connection.cache.clear()
        connection.close()


def _postgresql(conninfo: str) -> Any:
    from everfold.engines.postgres.connection import Connector

    connection = Connector(conninfo, shown="the server of this test").connect()
    schema = f"test_{uuid.uuid4().hex}"
    connection.execute(f"CREATE SCHEMA {schema}; SET search_path TO {schema}".encode())
    return connection


def dialect_of(connection: Any) -> str:
    return "sqlite" if isinstance(connection, sqlite3.Connection) else "postgresql"


def tables_in(connection: Any) -> list[str]:
    there = {
        "sqlite": "SELECT name FROM sqlite_schema WHERE type = 'table'",
        "postgresql": "SELECT tablename FROM pg_tables WHERE schemaname = current_schema()",
    }
    return sorted(name for (name,) in connection.execute(there[dialect_of(connection)]))


@contextmanager
def undone(connection: Any) -> Generator[None]:
    """What is done inside is undone, and other statements can follow what failed in there."""
    connection.execute("SAVEPOINT attempt")
    try:
        yield
    finally:
        connection.execute("ROLLBACK TO attempt")
        connection.execute("RELEASE attempt")


def make_table(
    connection: Any, model: type[ReadModel], *, is_writable: bool = True, turn: Turn | None = None
) -> Table[Any]:
    sql = SqlTable(model, NAME, dialect_of(connection))
    for statement in sql.statements_to_create():
        connection.execute(statement)
    return Table(sql, connection, is_writable=is_writable, turn=turn)


def beside(connection: Any, model: type[ReadModel], *, is_writable: bool = True) -> Table[Any]:
    """Another view of the same table, which remembers nothing."""
    return Table(SqlTable(model, NAME, dialect_of(connection)), connection, is_writable=is_writable)


class Item(ReadModel, key="id", indexes=["owner"]):
    id: str
    owner: str = ""
    n: int = 0


def stored(connection: Any) -> list[Item]:
    """The rows as somebody else sees them."""
    return beside(connection, Item).find()


def fill(items: Table[Item]) -> None:
    for number, (name, owner) in enumerate([("a", 1), ("b", 2), ("c", 1), ("d", 2), ("e", 1)]):
        items.put(Item(name, f"owner {owner}", number))


def names(rows: list[Item]) -> str:
    return "".join(row.id for row in rows)
