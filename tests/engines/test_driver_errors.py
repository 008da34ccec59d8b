"""Whose fault an error is: real errors of both drivers, as they are and as a toolkit wraps them."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from typing import Any

import psycopg
import pytest
from psycopg.errors import lookup
from sqlalchemy.exc import ArgumentError, DBAPIError, OperationalError

from everfold.engines.driver_errors import is_in_use, is_of_the_row, is_out_of_range, is_outage, is_spoilt, sqlstate
from tests.postgres.server import PostgresServer


def sqlite_error(statement: str, *values: object) -> BaseException:
    connection = sqlite3.connect(":memory:")
    try:
        connection.execute("CREATE TABLE t (a INTEGER PRIMARY KEY) STRICT")
        connection.execute(statement, values)
    except Exception as error:
        return error
    finally:
        connection.close()
    raise AssertionError(statement)


@pytest.mark.parametrize(
    ("statement", "values"),
    [
        ("INSERT INTO t VALUES (?)", ["x"]),
        ("INSERT INTO t VALUES (1), (1)", []),
        ("INSERT INTO t VALUES (?)", [object()]),
        ("INSERT INTO t VALUES (?)", []),
    ],
)
def test_rows_that_sqlite_refuses(statement: str, values: list[object]) -> None:
    error = sqlite_error(statement, *values)
    assert (is_of_the_row(error), is_outage(error), sqlstate(error)) == (True, False, None)


@pytest.mark.parametrize("statement", ["SELECT * FROM nothing", "SELEKT"])
def test_sql_that_sqlite_refuses(statement: str) -> None:
    error = sqlite_error(statement)
    assert not is_of_the_row(error)
    assert not is_outage(error)


def test_numbers_that_are_too_large_for_sqlite() -> None:
    assert is_out_of_range(sqlite_error("INSERT INTO t VALUES (?)", 2**63))


@pytest.mark.parametrize("code", [sqlite3.SQLITE_BUSY, sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR_WRITE])
def test_outages_of_sqlite(code: int) -> None:
    error = sqlite3.OperationalError("no luck")
    error.sqlite_errorcode = code
    wrapped = OperationalError("SELECT 1", {}, error)
    assert is_outage(error)
    assert is_outage(wrapped)
    assert not is_of_the_row(wrapped)


OUTAGES = ["08006", "25006", "25P03", "28000", "40001", "40P01", "42501", "53100", "53300", "55P03", "57014", "57P01"]
OF_ROWS = ["21000", "22001", "22003", "22021", "23502", "23505", "23514", "42804", "42846", "54000", "P0001", "25P02"]
OF_NEITHER = ["25001", "42P01", "42703"]


@pytest.mark.parametrize("state", [*OUTAGES, "58030", "XX000", *OF_ROWS, *OF_NEITHER])
def test_every_code_of_postgresql_has_one_meaning(state: str) -> None:
    error = lookup(state)("no luck")
    for each in (error, DBAPIError("SELECT 1", {}, error)):
        assert is_outage(each) == (state in OUTAGES or state[:2] in {"58", "XX"})
        assert is_of_the_row(each) == (state in OF_ROWS)
        assert is_spoilt(each) == (state == "25P02")
        assert is_in_use(each) == (state == "55P03")
        assert is_out_of_range(each) == (state in {"22003", "22021"})


def test_what_is_no_drivers_error() -> None:
    for error in (ValueError("x"), RuntimeError("x"), Exception("x"), ArgumentError("x")):
        assert not (is_outage(error) or is_of_the_row(error) or is_in_use(error) or sqlstate(error))
    assert not is_spoilt(None)


def fails(connection: psycopg.Connection[Any], statement: str, *values: object) -> None:
    connection.execute(statement.encode(), values)


@pytest.mark.parametrize(
    ("statement", "values", "is_range"),
    [
        ("SELECT %s::text", ["a\0b"], True),
        ("SELECT %s", [object()], False),
        ("SELECT %s, %s", [1], False),
        ("SELECT %s::bigint", [2**63], True),
        ("SELECT %s::bigint[]", ["{1,x}"], False),
        ("SELECT 1/%s", [0], False),
    ],
)
def test_values_that_postgresql_or_its_driver_refuses(
    postgres_server: PostgresServer, statement: str, values: list[object], is_range: bool
) -> None:
    with postgres_server.connect() as connection, pytest.raises(psycopg.Error) as caught:
        fails(connection, statement, *values)
    assert (is_of_the_row(caught.value), is_outage(caught.value)) == (True, False)
    assert is_out_of_range(caught.value) == is_range


def ended(server: PostgresServer, connection: psycopg.Connection[Any]) -> None:
    server.execute("SELECT pg_terminate_backend(%s)", connection.info.backend_pid)


def closed(_: PostgresServer, connection: psycopg.Connection[Any]) -> None:
    connection.close()


@pytest.mark.parametrize("end", [ended, closed])
def test_a_connection_that_is_gone(
    postgres_server: PostgresServer, end: Callable[[PostgresServer, psycopg.Connection[Any]], None]
) -> None:
    connection = postgres_server.connect()
    end(postgres_server, connection)
    with pytest.raises(psycopg.Error) as caught:
        connection.execute("SELECT 1")
    assert (is_outage(caught.value), is_of_the_row(caught.value)) == (True, False)
    connection.close()
    with pytest.raises(psycopg.Error) as caught:
        psycopg.connect("host=127.0.0.1 port=1 connect_timeout=5")
    assert is_outage(caught.value)
