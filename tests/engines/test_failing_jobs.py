"""Jobs and hooks on a failing disk: what is certain is said, what is unknown is called unknown, and it goes on."""

import sqlite3
from collections.abc import AsyncGenerator, Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from everfold.engines.sqlite.engine import SqliteEngine
from everfold.errors import OutcomeUnknown, StoreBusy, StoreCorrupt, StoreError, StoreFull, StoreUnavailable
from everfold.log.read_database import ReadDatabase
from everfold.log.record import Record
from everfold.log.write import Appended, Conflicted, Failed
from everfold.testing.contracts.append_hooks import RowPerRecord, blame
from everfold.testing.contracts.engine_case import fresh, one, stored, to_stream, whole_log
from everfold.testing.contracts.read_databases import create_rows, names, put, putting
from tests.engines.failing_connection import FailingConnection, Fault, failing, failing_connections, sqlite_error


@pytest.fixture
async def engine(tmp_path: Path) -> AsyncGenerator[SqliteEngine]:
    """A store with one record and an empty table in both databases, whose connections fail on request."""
    with failing_connections():
        engine = SqliteEngine(tmp_path / "log.db", lock_timeout=0.2)
        await engine.open()
        await stored(engine, to_stream("thing-a", expected=0))
        await engine.views.write(create_rows)
        await engine.beside.write(create_rows)
        yield engine
        await engine.close()


@pytest.fixture(params=["views", "beside"])
def database(engine: SqliteEngine, request: pytest.FixtureRequest) -> ReadDatabase:
    """One of the two."""
    found: ReadDatabase = getattr(engine, request.param)
    return found


def at(statement: str, error: BaseException, *, after: bool = False) -> Fault:
    """Fail once at a statement that begins like this, before or after it was really executed."""
    left = [1]

    def fault(connection: FailingConnection, sql: str) -> None:
        if sql.startswith(statement) and left[0]:
            left[0] -= 1
            if after:
                connection.really(sql)
            raise error

    return fault


def executing(sql: str, *parameters: object) -> Callable[[Any], object]:
    """A job of one statement."""

    def job(connection: Any) -> object:
        return connection.execute(sql, parameters)

    return job


async def goes_on(engine: SqliteEngine, database: ReadDatabase, *expected: str) -> None:
    """Jobs and appends work, and the log is judged as it is."""
    assert await database.read(names) == list(expected)
    await database.write(putting("z"))
    assert await database.read(names) == [*expected, "z"]
    assert isinstance(await one(engine, to_stream("thing-a", expected=7)), Conflicted)
    await stored(engine, to_stream("thing-a", expected=1))
    assert [record.position for record in await whole_log(engine)] == [1, 2]


@pytest.mark.parametrize(("code", "error"), [(sqlite3.SQLITE_FULL, StoreFull), (sqlite3.SQLITE_BUSY, StoreBusy)])
async def test_a_refused_commit_stored_nothing(
    engine: SqliteEngine, database: ReadDatabase, code: int, error: type[Exception]
) -> None:
    with failing(at("COMMIT", sqlite_error(code))), pytest.raises(error):
        await database.write(putting("a"))
    await goes_on(engine, database)


@pytest.mark.parametrize("is_done", [False, True])
async def test_a_commit_that_failed_is_unknown(engine: SqliteEngine, database: ReadDatabase, is_done: bool) -> None:
    fault = at("COMMIT", sqlite_error(sqlite3.SQLITE_IOERR_FSYNC), after=is_done)
    with failing(fault), pytest.raises(OutcomeUnknown):
        await database.write(putting("a"))
    await goes_on(engine, database, *["a"][: int(is_done)])


@pytest.mark.parametrize("statement", ["BEGIN IMMEDIATE", "INSERT INTO row_of_test"])
async def test_a_failing_disk_is_told_from_a_failing_job(
    engine: SqliteEngine, database: ReadDatabase, statement: str
) -> None:
    with failing(at(statement, sqlite_error(sqlite3.SQLITE_IOERR))), pytest.raises(StoreUnavailable):
        await database.write(putting("a"))
    with failing(at("SELECT name", sqlite_error(sqlite3.SQLITE_IOERR))), pytest.raises(StoreUnavailable):
        await database.read(names)
    await goes_on(engine, database)


@pytest.mark.parametrize(
    ("job", "error"),
    [
        (putting("a", "a"), sqlite3.IntegrityError),
        (executing("SELECT 1 FROM absent"), sqlite3.OperationalError),
        (executing("SELECT ?"), sqlite3.ProgrammingError),
        (executing("SELECT ?", object()), sqlite3.Error),
    ],
)
async def test_errors_of_the_sql_are_not_translated(
    engine: SqliteEngine, database: ReadDatabase, job: Callable[[Any], object], error: type[Exception]
) -> None:
    with pytest.raises(error):
        await database.write(job)
    await goes_on(engine, database)


async def test_stored_text_that_is_damaged_is_no_error_of_the_job(engine: SqliteEngine, database: ReadDatabase) -> None:
    await database.write(executing("INSERT INTO row_of_test (name) VALUES (CAST(x'7bff7d' AS TEXT))"))
    for run in (database.read, database.write):
        with pytest.raises(StoreCorrupt):
            await run(names)


class Wrapped(Exception):
    """As SQL toolkits wrap what the driver raises."""

    def __init__(self, orig: Exception) -> None:
        super().__init__("wrapped")
        self.orig = orig


async def test_a_failing_disk_is_recognised_in_the_error_of_a_toolkit(
    engine: SqliteEngine, database: ReadDatabase
) -> None:
    def failing_with(code: int) -> Callable[[Any], None]:
        def job(connection: Any) -> None:
            raise Wrapped(sqlite_error(code))

        return job

    with pytest.raises(StoreFull):
        await database.write(failing_with(sqlite3.SQLITE_FULL))
    with pytest.raises(StoreUnavailable):
        await database.read(failing_with(sqlite3.SQLITE_IOERR))
    for run in (database.write, database.read):
        with pytest.raises(Wrapped):
            await run(failing_with(sqlite3.SQLITE_ERROR))
    hook = RowPerRecord()
    hook.errors["flush"] = Wrapped(sqlite_error(sqlite3.SQLITE_FULL))
    engine.hook(hook)
    with pytest.raises(StoreFull):
        await engine.append([to_stream("thing-a"), to_stream("thing-b")])
    engine.hook(None)
    await goes_on(engine, database)


async def test_a_job_that_swallows_a_full_disk_stores_nothing(engine: SqliteEngine, database: ReadDatabase) -> None:
    """SQLite has undone the transaction by then; what the job writes next would be committed at once."""

    def job(connection: FailingConnection) -> None:
        put(connection, "a")
        connection.really("ROLLBACK")

    with pytest.raises(StoreError, match="ended while a job"):
        await database.write(job)
    await goes_on(engine, database)


async def test_jobs_of_others_do_not_hide_what_others_appended(engine: SqliteEngine, tmp_path: Path) -> None:
    """An own commit must not make the writer believe that it knows the newest state of the log."""
    other = SqliteEngine(tmp_path / "log.db")
    await other.open()
    await stored(other, to_stream("thing-a", expected=1))
    await engine.beside.write(putting("a"))
    assert isinstance(await one(engine, to_stream("thing-a", expected=1)), Conflicted)
    (done,) = await stored(engine, to_stream("thing-a", expected=2))
    assert done.first == 3
    await other.close()


async def test_a_connection_that_a_job_lost_is_replaced_for_the_log_too(engine: SqliteEngine) -> None:
    hook = RowPerRecord()
    engine.hook(hook)
    await stored(engine, to_stream("thing-b"))
    with failing(at("COMMIT", sqlite_error(sqlite3.SQLITE_IOERR_FSYNC))), pytest.raises(OutcomeUnknown):
        await engine.beside.write(putting("a"))
    await stored(engine, to_stream("thing-a", expected=1))
    assert hook.changed == [True, True]
    assert await engine.beside.read(names) == ["002 moved", "003 moved"]


async def test_a_batch_that_cannot_begin_never_reaches_the_hook(engine: SqliteEngine) -> None:
    hook = RowPerRecord()
    engine.hook(hook)
    with failing(at("BEGIN", sqlite_error(sqlite3.SQLITE_IOERR))), pytest.raises(StoreUnavailable):
        await engine.append([to_stream("thing-a")])
    assert hook.calls == []


@pytest.mark.parametrize("is_done", [False, True])
async def test_records_and_rows_share_an_unknown_outcome(engine: SqliteEngine, is_done: bool) -> None:
    hook = RowPerRecord()
    engine.hook(hook)
    fault = at("COMMIT", sqlite_error(sqlite3.SQLITE_IOERR_FSYNC), after=is_done)
    with failing(fault), pytest.raises(OutcomeUnknown):
        await engine.append([to_stream("thing-a")])
    assert hook.calls[-1] == "undone"
    await stored(engine, to_stream("thing-a"))
    log = await whole_log(engine)
    assert len(log) == 2 + is_done
    assert await engine.beside.read(names) == [f"{number:03} moved" for number in range(2, len(log) + 1)]


class Saboteur(RowPerRecord):
    """Loses the transaction, and blames a record or nobody."""

    is_blaming = False

    def apply(self, records: Sequence[Record]) -> None:
        super().apply(records)
        if self.errors.get("lost"):
            self._connection.execute("ROLLBACK")
            if self.is_blaming:
                raise blame(records[0])


@pytest.mark.parametrize("is_blaming", [False, True])
async def test_a_hook_that_loses_the_transaction_stores_nothing(engine: SqliteEngine, is_blaming: bool) -> None:
    """As SQLite does when the disk is full: no savepoint is left, so nothing may be stored behind it."""
    hook = Saboteur()
    hook.is_blaming = is_blaming
    hook.errors["lost"] = StoreError()
    engine.hook(hook)
    with pytest.raises(StoreError):
        await engine.append([to_stream("thing-a"), to_stream("thing-b")])
    if is_blaming:
        assert isinstance(await one(engine, to_stream("thing-a")), Failed)
    else:
        with pytest.raises(StoreError, match="ended while"):
            await engine.append([to_stream("thing-a")])
    hook.errors.clear()
    await stored(engine, to_stream("thing-a", expected=1))
    assert await engine.beside.read(names) == ["002 moved"]
    assert (await engine.verify(after=0, limit=9)).damages == ()


async def test_an_error_of_the_hooks_sql_fails_the_batch(engine: SqliteEngine) -> None:
    hook = RowPerRecord()
    engine.hook(hook)
    await engine.beside.write(putting("003 moved"))
    for batch in ([to_stream("thing-a"), to_stream("thing-b")], [to_stream("thing-a", *fresh(amount=2))]):
        with pytest.raises(sqlite3.IntegrityError):
            await engine.append(batch)
    hook.errors["flush"] = sqlite_error(sqlite3.SQLITE_FULL)
    with pytest.raises(StoreFull):
        await engine.append([to_stream("thing-a")])
    hook.errors.clear()
    assert [type(outcome) for outcome in await engine.append([to_stream("thing-a")])] == [Appended]
    assert await engine.beside.read(names) == ["002 moved", "003 moved"]


async def test_an_error_of_the_hook_in_a_batch_that_is_stored_apart_fails_the_batch(engine: SqliteEngine) -> None:
    used = fresh()
    await stored(engine, to_stream("thing-b", *used))
    hook = RowPerRecord()
    hook.errors["apply"] = ValueError("a bug")
    engine.hook(hook)
    with pytest.raises(ValueError, match="a bug"):
        await engine.append([to_stream("thing-a"), to_stream("thing-a", *used)])
    assert len(await whole_log(engine)) == 2


async def test_text_that_is_no_unicode_cannot_be_restored(engine: SqliteEngine) -> None:
    record = Record(2, "thing-a", 2, "moved", 1, "id-2", 2**52, "\ud800")
    with pytest.raises(StoreError, match="cannot be stored"):
        await engine.restore([record])
    assert len(await whole_log(engine)) == 1
