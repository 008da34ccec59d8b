"""Commits and rollbacks that fail: what is certain is said, what is unknown is called unknown, and it goes on."""

import asyncio
import sqlite3
from collections.abc import AsyncGenerator
from pathlib import Path

import pytest

from everfold.engines.sqlite.engine import SqliteEngine
from everfold.errors import OutcomeUnknown, StoreBusy, StoreFull, StoreReadOnly, StoreUnavailable
from everfold.log.write import Appended, Conflicted, Failed
from everfold.testing.contracts.engine_case import fresh, one, stored, to_stream, whole_log
from tests.engines.failing_connection import (
    FailingConnection,
    Fault,
    failing,
    failing_connections,
    sqlite_error,
)


@pytest.fixture
async def engine(tmp_path: Path) -> AsyncGenerator[SqliteEngine]:
    """A store with one record, whose connections fail on request."""
    with failing_connections():
        engine = SqliteEngine(tmp_path / "log.db", lock_timeout=0.2)
        await engine.open()
        await stored(engine, to_stream("thing-a", expected=0))
        yield engine
        await engine.close()


def at(statement: str, error: BaseException, *, after: bool = False, times: int = 1) -> Fault:
    """Fail at a statement that begins like this, before or after it was really executed."""
    left = [times]

    def fault(connection: FailingConnection, sql: str) -> None:
        if sql.startswith(statement) and left[0]:
            left[0] -= 1
            if after:
                connection.really(sql)
            raise error

    return fault


async def goes_on(engine: SqliteEngine, *, version: int) -> None:
    """The next append is judged and stored as if nothing had happened."""
    assert isinstance(await one(engine, to_stream("thing-a", expected=version + 7)), Conflicted)
    (done,) = await stored(engine, to_stream("thing-a", expected=version))
    assert done.versions == (version + 1,)
    assert [record.version for record in await whole_log(engine)] == list(range(1, version + 2))
    assert (await engine.verify(after=0, limit=100)).damages == ()


@pytest.mark.parametrize(
    ("code", "error"),
    [
        (sqlite3.SQLITE_FULL, StoreFull),
        (sqlite3.SQLITE_BUSY, StoreBusy),
        (sqlite3.SQLITE_READONLY, StoreReadOnly),
    ],
)
async def test_a_refused_commit_stored_nothing(engine: SqliteEngine, code: int, error: type[Exception]) -> None:
    with failing(at("COMMIT", sqlite_error(code))), pytest.raises(error):
        await engine.append([to_stream("thing-a", expected=1)])
    await goes_on(engine, version=1)


@pytest.mark.parametrize("error", [sqlite_error(sqlite3.SQLITE_IOERR_FSYNC), MemoryError(), sqlite_error(1)])
async def test_a_commit_that_failed_and_did_nothing_is_unknown(engine: SqliteEngine, error: Exception) -> None:
    with failing(at("COMMIT", error)), pytest.raises(OutcomeUnknown, match="idempotency key"):
        await engine.append([to_stream("thing-a", expected=1)])
    await goes_on(engine, version=1)


async def test_a_commit_that_failed_and_was_done_is_unknown(engine: SqliteEngine) -> None:
    """The case for which unknown is not failure: the records are there."""
    with (
        failing(at("COMMIT", sqlite_error(sqlite3.SQLITE_IOERR_FSYNC), after=True)),
        pytest.raises(OutcomeUnknown),
    ):
        await engine.append([to_stream("thing-a", expected=1)])
    await goes_on(engine, version=2)


async def test_an_unknown_outcome_stays_unknown_when_the_store_cannot_be_opened_again(engine: SqliteEngine) -> None:
    with failing(at("COMMIT", sqlite_error(sqlite3.SQLITE_IOERR_FSYNC))), pytest.raises(OutcomeUnknown):
        await engine.append([to_stream("thing-a", expected=1)])
    with (
        failing(at("PRAGMA synchronous", sqlite_error(sqlite3.SQLITE_IOERR), times=2)),
        pytest.raises(StoreUnavailable),
    ):
        await engine.append([to_stream("thing-a", expected=1)])
    await goes_on(engine, version=1)


async def test_an_engine_that_lost_its_connection_closes(engine: SqliteEngine) -> None:
    with failing(at("COMMIT", sqlite_error(sqlite3.SQLITE_IOERR_FSYNC))), pytest.raises(OutcomeUnknown):
        await engine.append([to_stream("thing-a")])
    await engine.close()
    await engine.open()
    await goes_on(engine, version=1)


@pytest.mark.parametrize("statement", ["BEGIN", "INSERT INTO replies", "UPDATE log_head", "SELECT position, recorded"])
async def test_an_error_before_the_commit_stored_nothing(engine: SqliteEngine, statement: str) -> None:
    await engine.close()
    await engine.open()  # so that it knows nothing and asks for the head
    error = at(statement, sqlite_error(sqlite3.SQLITE_IOERR_READ), times=9)
    from everfold.log.idempotency import Repeatable
    from everfold.log.write import StreamAppend, Write

    write = Write(appends=(StreamAppend("thing-a", fresh(), 1),), repeatable=Repeatable("k", "p", "1"))
    with failing(error), pytest.raises(StoreUnavailable):
        await engine.append([write])
    await goes_on(engine, version=1)


async def test_a_rollback_that_fails_costs_only_the_connection(engine: SqliteEngine) -> None:
    def fault(connection: FailingConnection, sql: str) -> None:
        if sql.startswith(("UPDATE log_head", "ROLLBACK")):
            raise sqlite_error(sqlite3.SQLITE_IOERR)

    with failing(fault), pytest.raises(StoreUnavailable):
        await engine.append([to_stream("thing-a", expected=1)])
    await goes_on(engine, version=1)


async def test_an_error_of_our_own_rolls_back_too(engine: SqliteEngine) -> None:
    with failing(at("UPDATE log_head", RuntimeError("a bug"))), pytest.raises(RuntimeError):
        await engine.append([to_stream("thing-a", expected=1)])
    await goes_on(engine, version=1)


async def test_a_disk_that_fails_while_writes_are_stored_apart_stores_none(engine: SqliteEngine) -> None:
    """One write of the batch is bad, and then the commit of the others is refused: nothing of any is stored."""
    used = fresh()
    await stored(engine, to_stream("thing-b", *used))
    batch = [to_stream("thing-a", expected=1), to_stream("thing-a", *used), to_stream("thing-c")]
    with failing(at("COMMIT", sqlite_error(sqlite3.SQLITE_FULL))), pytest.raises(StoreFull):
        await engine.append(batch)
    assert len(await whole_log(engine)) == 2
    assert [type(outcome) for outcome in await engine.append(batch)] == [Appended, Failed, Appended]


@pytest.mark.parametrize("text", ["\ud800", "a\ud800b"])
async def test_text_that_is_no_unicode_fails_its_own_write(engine: SqliteEngine, text: str) -> None:
    outcomes = await engine.append(
        [
            to_stream("thing-a", *fresh(data=text)),
            to_stream("thing-b", *fresh(tags=(text,))),
            to_stream(f"thing-{text}"),
            to_stream("thing-c"),
        ]
    )
    assert [type(outcome) for outcome in outcomes] == [Failed, Failed, Failed, Appended]


async def test_a_failing_disk_reaches_those_who_wait(engine: SqliteEngine) -> None:
    waiting = asyncio.create_task(engine.wait(1))
    await asyncio.sleep(0)
    with failing(at("SELECT position, recorded", sqlite_error(sqlite3.SQLITE_IOERR), times=99)):
        with pytest.raises(StoreUnavailable):
            await waiting
        with pytest.raises(StoreUnavailable):
            await engine.wait(-1)
    assert await engine.wait(-1) == 1


async def test_a_busy_file_only_delays_those_who_wait(engine: SqliteEngine) -> None:
    waiting = asyncio.create_task(engine.wait(1))
    with failing(at("SELECT position, recorded", sqlite_error(sqlite3.SQLITE_BUSY), times=3)):
        await asyncio.sleep(0.03)
        assert not waiting.done()
    await stored(engine, to_stream("thing-a"))
    assert await waiting == 2


async def test_a_checkpoint_of_the_write_ahead_log_that_fails_is_only_logged(
    engine: SqliteEngine, caplog: pytest.LogCaptureFixture
) -> None:
    with failing(at("PRAGMA wal_checkpoint", sqlite_error(sqlite3.SQLITE_FULL))):
        for _ in range(2):
            await stored(engine, to_stream("thing-a", *fresh(data="x" * 17_000_000)))
    await stored(engine, to_stream("thing-a"))
    assert "background job" in caplog.text


async def test_opening_that_fails_leaves_nothing_open(tmp_path: Path) -> None:
    with failing_connections():
        engine = SqliteEngine(tmp_path / "log.db")
        for statement in ("PRAGMA synchronous", "PRAGMA journal_mode", "PRAGMA query_only = 1"):
            with (
                failing(at(statement, sqlite_error(sqlite3.SQLITE_IOERR), times=9)),
                pytest.raises(StoreUnavailable),
            ):
                await engine.open()
        await engine.open()
        await stored(engine, to_stream("thing-a"))
        await engine.close()
