"""Reads in the event loop's own thread: quick ones are done, long ones are given up, and nothing is left behind."""

from __future__ import annotations

import sqlite3
from collections.abc import AsyncGenerator
from pathlib import Path
from typing import Any

import pytest

from everfold.engines.memory.engine import MemoryEngine
from everfold.engines.sqlite.engine import SqliteEngine
from everfold.errors import StoreReadOnly
from everfold.log.read_database import NotNow, ReadDatabase
from everfold.testing.contracts.read_databases import create_rows, names, putting

ENDLESS = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT count(*) FROM n"


@pytest.fixture
async def engine(tmp_path: Path) -> AsyncGenerator[SqliteEngine]:
    engine = SqliteEngine(tmp_path / "bank.db")
    await engine.open()
    yield engine
    await engine.close()


@pytest.fixture(params=["views", "beside"])
async def database(engine: SqliteEngine, request: pytest.FixtureRequest) -> ReadDatabase:
    database: ReadDatabase = getattr(engine, request.param)
    await database.write(create_rows)
    await database.write(putting("a"))
    return database


async def test_short_reads_are_done_at_once(database: ReadDatabase) -> None:
    for _ in range(30_000):  # also after more steps, together, than one of them may take
        assert database.glance(names) == ["a"]


async def test_a_read_that_does_not_end_is_given_up(database: ReadDatabase) -> None:
    for _ in range(3):
        with pytest.raises(NotNow):
            database.glance(lambda connection: connection.execute(ENDLESS).fetchall())
    assert database.glance(names) == ["a"]


async def test_also_when_the_job_hushes_that_up(database: ReadDatabase) -> None:
    def job(connection: Any) -> str:
        try:
            connection.execute(ENDLESS).fetchall()
        except sqlite3.OperationalError:
            return "there is nothing"
        return "there is something"

    with pytest.raises(NotNow):
        database.glance(job)


async def test_several_statements_together_are_given_up_too(database: ReadDatabase) -> None:
    limited = ENDLESS.replace("FROM n)", "FROM n WHERE i < 2000)")

    def job(connection: Any) -> None:
        for _ in range(50):
            connection.execute(limited).fetchall()

    with pytest.raises(NotNow):
        database.glance(job)
    await database.read(job)


async def test_all_statements_of_a_glance_see_the_same(engine: SqliteEngine) -> None:
    database = engine.views
    await database.write(create_rows)
    with sqlite3.connect(str(engine.path).replace(".db", ".views.db")) as other:

        def job(connection: Any) -> tuple[list[str], list[str]]:
            before = names(connection)
            other.execute("INSERT INTO row_of_test (name) VALUES ('b')")
            other.commit()
            return before, names(connection)

        assert database.glance(job) == ([], [])
        assert database.glance(names) == ["b"]
    other.close()


async def test_nothing_can_be_written(database: ReadDatabase) -> None:
    with pytest.raises(StoreReadOnly):
        database.glance(putting("b"))
    assert database.glance(names) == ["a"]


async def test_before_the_views_were_opened_there_is_nothing_to_see(engine: SqliteEngine) -> None:
    with pytest.raises(NotNow):
        engine.views.glance(names)


async def test_in_memory_it_gives_way_to_a_job_that_is_under_way() -> None:
    engine = MemoryEngine()
    await engine.open()
    await engine.views.write(create_rows)

    def job(_connection: Any) -> None:
        with pytest.raises(NotNow):
            engine.views.glance(names)

    await engine.views.read(job)
    assert engine.views.glance(names) == []
    await engine.close()
