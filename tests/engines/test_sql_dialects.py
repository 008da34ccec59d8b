"""One text of SQL for every dialect, and tables that many processes make at once."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import psycopg
import pytest

from everfold.engines.sql_dialects import create_tables, in_dialects, take_turns
from tests.postgres.server import PostgresServer

DIALECT = "postgresql"
AT_ONCE = 8
STATEMENTS = [
    "CREATE TABLE IF NOT EXISTS first_one (a TEXT NOT NULL PRIMARY KEY)",
    "CREATE TABLE IF NOT EXISTS other_one (b TEXT NOT NULL PRIMARY KEY)",
]


def test_parameters_are_written_as_each_driver_takes_them() -> None:
    found = in_dialects({"x": "SELECT a::text FROM t WHERE a LIKE '%:' AND b = :name AND c = :name OR d = :limit"})
    assert found["sqlite"]["x"].count(":name") == 2
    assert found["postgresql"]["x"] == (
        "SELECT a::text FROM t WHERE a LIKE '%%:' AND b = %(name)s AND c = %(name)s OR d = %(limit)s"
    )


@pytest.fixture
def schema(postgres_server: PostgresServer, postgres_url: str) -> Iterator[str]:
    name = postgres_url.rpartition("=")[2]
    postgres_server.execute(f"CREATE SCHEMA {name}")
    yield name
    postgres_server.execute(f"DROP SCHEMA {name} CASCADE")


def connected(server: PostgresServer, schema: str) -> psycopg.Connection[Any]:
    connection = server.connect()
    connection.execute(f"SET search_path TO {schema}".encode())
    return connection


def test_many_make_the_same_tables_at_once(postgres_server: PostgresServer, schema: str) -> None:
    together = threading.Barrier(AT_ONCE)

    def make(_: int) -> None:
        with connected(postgres_server, schema) as connection, connection.transaction():
            together.wait(30)
            create_tables(connection, DIALECT, STATEMENTS)

    with ThreadPoolExecutor(AT_ONCE) as pool:
        list(pool.map(make, range(AT_ONCE)))
    there = postgres_server.execute("SELECT tablename FROM pg_tables WHERE schemaname = %s ORDER BY 1", schema)
    assert there == [("first_one",), ("other_one",)]


def test_whoever_finds_all_tables_there_waits_for_nobody(postgres_server: PostgresServer, schema: str) -> None:
    with connected(postgres_server, schema) as one, connected(postgres_server, schema) as other:
        create_tables(one, DIALECT, STATEMENTS[:1])
        with one.transaction():
            take_turns(one, DIALECT)
            one.execute("LOCK TABLE first_one IN SHARE UPDATE EXCLUSIVE MODE")
            other.execute("SET lock_timeout = '100ms'")
            create_tables(other, DIALECT, STATEMENTS[:1])
            with pytest.raises(psycopg.errors.LockNotAvailable):
                create_tables(other, DIALECT, STATEMENTS)
        create_tables(other, DIALECT, STATEMENTS)


def test_turns_are_those_of_one_schema(postgres_server: PostgresServer, schema: str) -> None:
    with (
        connected(postgres_server, schema) as one,
        connected(postgres_server, "public") as other,
        one.transaction(),
        other.transaction(),
    ):
        other.execute("SET lock_timeout = '100ms'")
        take_turns(one, DIALECT)
        take_turns(other, DIALECT)
        take_turns(one, DIALECT)
