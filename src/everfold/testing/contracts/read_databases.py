"""Read databases: jobs in transactions of their own, beside the log and behind it."""

# ruff: noqa: D102, S101

from __future__ import annotations

import asyncio
import sqlite3
import threading
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from everfold.errors import StoreClosed, StoreError
from everfold.log.engine import Engine
from everfold.log.read_database import NotNow, ReadDatabase
from everfold.testing.contracts.engine_case import EngineCase, stored, to_stream, whole_log

__all__ = ["DurableReadDatabases", "ReadJobs", "create_rows", "names", "put", "putting"]


_INSERT = {
    "qmark": "INSERT INTO row_of_test (name) VALUES (?)",
    "format": "INSERT INTO row_of_test (name) VALUES (%s)",
}


class Mishap(Exception):
    """What a job of a test raises."""


def create_rows(connection: Any) -> None:
    """The table that the tests write to."""
    connection.execute("CREATE TABLE IF NOT EXISTS row_of_test (name TEXT PRIMARY KEY)")


def put(connection: Any, *added: str) -> None:
    """A row for each name."""
    for name in added:
        connection.execute(_INSERT["qmark" if isinstance(connection, sqlite3.Connection) else "format"], (name,))


def create_count(connection: Any) -> None:
    """A row that counts."""
    connection.execute("CREATE TABLE count_of_test (n BIGINT NOT NULL)")
    connection.execute("INSERT INTO count_of_test (n) VALUES (0)")


def count_one(connection: Any) -> None:
    """What the row counts."""
    connection.execute("UPDATE count_of_test SET n = n + 1")


def counted(connection: Any) -> int:
    """How far it has counted."""
    return int(connection.execute("SELECT n FROM count_of_test").fetchone()[0])


def _fail(_connection: Any) -> None:
    raise Mishap


def putting(*added: str) -> Callable[[Any], list[str]]:
    """A job that adds a row for each name, and returns all that there are."""

    def job(connection: Any) -> list[str]:
        put(connection, *added)
        return names(connection)

    return job


def count(connection: Any) -> int:
    """How many rows there are."""
    return int(connection.execute("SELECT count(*) FROM row_of_test").fetchone()[0])


def add_next(connection: Any) -> None:
    """A row with the next number, which is lost if two such jobs do not take turns."""
    put(connection, f"{count(connection):03}")


def names(connection: Any) -> list[str]:
    """All rows."""
    return [name for (name,) in connection.execute("SELECT name FROM row_of_test ORDER BY name").fetchall()]


class ReadJobs(EngineCase):
    """Promise 2 for jobs: each is one transaction, whatever it does; readers see whole transactions (A2, A8)."""

    @pytest.fixture(params=["views", "beside"])
    def name(self, request: pytest.FixtureRequest) -> str:
        """Which of the two databases."""
        return str(request.param)

    @pytest_asyncio.fixture(loop_scope="function")
    async def database(self, engine: Engine, name: str) -> ReadDatabase:
        """The database, with an empty table."""
        database: ReadDatabase = getattr(engine, name)
        await database.write(create_rows)
        return database

    async def test_a_job_returns_what_it_makes_and_is_committed(self, database: ReadDatabase) -> None:
        assert await database.write(putting("a")) == ["a"]
        assert await database.read(names) == ["a"]

    async def test_a_job_that_raises_leaves_nothing(self, database: ReadDatabase) -> None:
        def job(connection: Any) -> None:
            put(connection, "a", "b")
            raise Mishap("no")

        with pytest.raises(Mishap, match="no"):
            await database.write(job)
        assert await database.read(names) == []
        await database.write(putting("c"))
        assert await database.read(names) == ["c"]

    async def test_an_error_of_the_sql_is_raised_as_it_is(self, database: ReadDatabase) -> None:
        def job(connection: Any) -> None:
            put(connection, "a", "a")

        with pytest.raises(Exception, match=r"(?i)unique") as caught:
            await database.write(job)
        assert not isinstance(caught.value, StoreError)
        assert await database.read(names) == []

    async def test_a_job_cannot_end_its_transaction_by_the_drivers_methods(self, database: ReadDatabase) -> None:
        def job(connection: Any) -> None:
            put(connection, "a")
            connection.commit()
            connection.rollback()
            with connection:
                put(connection, "b")
            raise Mishap

        with pytest.raises(Mishap):
            await database.write(job)
        assert await database.read(names) == []

    async def test_a_job_that_ends_its_transaction_by_sql_is_told_so(self, database: ReadDatabase) -> None:
        with pytest.raises(StoreError, match="begin or end no transactions"):
            await database.write(lambda connection: connection.execute("ROLLBACK"))
        assert await database.read(names) == []

    async def test_a_job_that_reads_cannot_write(self, database: ReadDatabase) -> None:
        with pytest.raises(StoreError, match="only reads"):
            await database.read(putting("a"))
        assert await database.read(names) == []
        await database.write(putting("b"))

    async def test_an_error_of_a_job_that_reads_is_raised_as_it_is(self, database: ReadDatabase) -> None:
        with pytest.raises(Exception, match=r"no such table|does not exist"):
            await database.read(lambda connection: connection.execute("SELECT 1 FROM absent").fetchall())
        assert await database.read(names) == []

    async def test_a_job_that_reads_sees_one_state_of_all_tables(self, database: ReadDatabase) -> None:
        begun, written = threading.Event(), threading.Event()

        def job(connection: Any) -> tuple[list[str], list[str]]:
            before = names(connection)
            begun.set()
            written.wait(0.2)  # an engine may also have writers wait meanwhile
            return before, names(connection)

        reading = asyncio.create_task(database.read(job))
        await asyncio.to_thread(begun.wait)
        writing = asyncio.create_task(database.write(putting("a")))
        writing.add_done_callback(lambda _: written.set())
        before, after = await reading
        await writing
        assert before == after == []
        assert await database.read(names) == ["a"]

    async def test_jobs_are_done_one_after_the_other(self, database: ReadDatabase) -> None:
        busy = threading.Lock()

        def job(connection: Any) -> None:
            assert busy.acquire(blocking=False)
            add_next(connection)
            busy.release()

        await asyncio.gather(*(database.write(job) for _ in range(30)))
        assert await database.read(names) == [f"{number:03}" for number in range(30)]

    async def test_jobs_run_outside_of_the_event_loops_thread(self, database: ReadDatabase) -> None:
        here = threading.get_ident()
        assert await database.write(lambda _: threading.get_ident()) != here
        assert await database.read(lambda _: threading.get_ident()) != here

    async def test_a_cancelled_caller_does_not_stop_the_job(self, database: ReadDatabase) -> None:
        begun, go_on = threading.Event(), threading.Event()

        def job(connection: Any) -> None:
            begun.set()
            go_on.wait()
            put(connection, "a")

        writing = asyncio.create_task(database.write(job))
        await asyncio.to_thread(begun.wait)
        writing.cancel()
        go_on.set()
        assert await database.write(names) == ["a"]

    async def test_connections_remember_for_who_uses_them(self, database: ReadDatabase) -> None:
        await database.write(lambda connection: connection.cache.update(a=1))
        assert await database.write(lambda connection: connection.cache["a"]) == 1

    async def test_appends_and_jobs_do_not_disturb_each_other(self, engine: Engine, database: ReadDatabase) -> None:
        for number in range(5):
            await asyncio.gather(
                stored(engine, to_stream("thing-a")),
                database.write(putting(str(number))),
            )
            await stored(engine, to_stream("thing-a", expected=number * 2 + 1))
        assert [record.version for record in await whole_log(engine)] == list(range(1, 11))
        assert await database.read(names) == ["0", "1", "2", "3", "4"]

    async def test_a_closed_engine_refuses_jobs(self, engine: Engine, name: str) -> None:
        database: ReadDatabase = getattr(engine, name)
        await database.write(create_rows)
        await engine.close()
        with pytest.raises(StoreClosed):
            await database.write(create_rows)
        with pytest.raises(StoreClosed):
            await database.read(names)
        await engine.open()
        assert await database.read(names) == []

    async def test_an_engine_that_was_never_open_refuses_jobs(self, tmp_path: Path, name: str) -> None:
        database: ReadDatabase = getattr(await self.make_engine(tmp_path), name)
        with pytest.raises(StoreClosed):
            await database.write(create_rows)

    async def test_a_glance_sees_what_a_read_sees_or_says_that_it_cannot(self, database: ReadDatabase) -> None:
        await database.write(create_rows)
        for number in range(20):
            await database.write(putting(f"row {number}"))
            with suppress(NotNow):
                assert database.glance(names) == await database.read(names)
        with pytest.raises((NotNow, StoreError)):
            database.glance(putting("another"))
        with pytest.raises((NotNow, Mishap)):
            database.glance(_fail)
        assert len(await database.read(names)) == 20

    async def test_a_glance_is_refused_when_the_engine_is_closed(self, engine: Engine, database: ReadDatabase) -> None:
        await database.write(create_rows)
        await engine.close()
        with pytest.raises((NotNow, StoreClosed)):
            database.glance(names)

    async def test_closing_finishes_the_jobs_that_were_begun(self, engine: Engine, database: ReadDatabase) -> None:
        begun = threading.Event()

        def job(connection: Any) -> None:
            begun.set()
            put(connection, "a")

        writing = asyncio.create_task(database.write(job))
        await asyncio.to_thread(begun.wait)
        await engine.close()
        await writing
        await engine.open()
        assert await database.read(names) == ["a"]

    async def test_it_tells_its_dialect(self, database: ReadDatabase) -> None:
        assert database.dialect in {"sqlite", "postgresql"}


class DurableReadDatabases(EngineCase):
    """Promise 1 for jobs: what a database was given is there again for the next engine on the same storage (A1)."""

    @asynccontextmanager
    async def _another(self, folder: Path) -> AsyncGenerator[Engine]:
        engine = await self.make_engine(folder)
        await engine.open()
        try:
            yield engine
        finally:
            await engine.close()

    @pytest.mark.parametrize("name", ["views", "beside"])
    async def test_rows_are_there_again_when_reopened(self, engine: Engine, tmp_path: Path, name: str) -> None:
        database: ReadDatabase = getattr(engine, name)
        await database.write(create_rows)
        await database.write(putting("a"))
        await engine.close()
        async with self._another(tmp_path) as other:
            assert await getattr(other, name).read(names) == ["a"]

    async def test_two_engines_write_beside_the_log_in_turns(self, engine: Engine, tmp_path: Path) -> None:
        async with self._another(tmp_path) as other:
            databases = [engine.beside, other.beside]
            await databases[0].write(create_rows)
            await asyncio.gather(*(databases[number % 2].write(add_next) for number in range(20)))
            for database in databases:
                assert len(await database.read(names)) == 20

    @pytest.mark.parametrize("name", ["views", "beside"])
    async def test_of_two_engines_that_change_a_row_none_undoes_the_other(
        self, engine: Engine, tmp_path: Path, name: str
    ) -> None:
        async with self._another(tmp_path) as other:
            databases: list[ReadDatabase] = [getattr(engine, name), getattr(other, name)]
            await databases[0].write(create_count)
            await asyncio.gather(*(databases[number % 2].write(count_one) for number in range(20)))
            for database in databases:
                assert await database.read(counted) == 20
