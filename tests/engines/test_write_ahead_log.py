"""The write-ahead log is moved into the file while the store is at work, under the lock, and stays bounded."""

import asyncio
import fcntl
import os
import sqlite3
import threading
from contextlib import closing
from itertools import cycle
from pathlib import Path

import pytest

from everfold.engines.sqlite import writer
from everfold.engines.sqlite.engine import SqliteEngine
from everfold.log.selection import EVERYTHING
from everfold.testing.contracts.engine_case import fresh, stored, to_stream, whole_log
from tests.engines.failing_connection import FailingConnection, failing, failing_connections

PAYLOAD = "x" * 20_000
BOUND = 4_000_000


@pytest.fixture(autouse=True)
def small_limits(monkeypatch: pytest.MonkeyPatch) -> None:
    """What takes 16 MB in production takes 100 KB here."""
    monkeypatch.setattr(writer, "CHECKPOINT_BYTES", 100_000)
    monkeypatch.setattr(writer, "LONG_LOG_PAGES", 200)


def size(path: Path) -> int:
    """How much there is of a file."""
    return path.stat().st_size if path.exists() else 0


async def test_the_log_is_moved_into_the_file_while_the_store_is_open(tmp_path: Path) -> None:
    engine = SqliteEngine(tmp_path / "log.db")
    await engine.open()
    for _ in range(60):
        await stored(engine, to_stream("thing-a", *fresh(data=PAYLOAD)))
        await engine.read(EVERYTHING, limit=5)
    assert size(tmp_path / "log.db") > 500_000
    assert size(tmp_path / "log.db-wal") < 600_000
    await engine.close()
    assert size(tmp_path / "log.db-wal") == 0


def read_without_a_break(path: Path, stop: threading.Event) -> None:
    """Two readers that take turns: each begins before the other ends, so there is no moment without one."""
    with closing(sqlite3.connect(path, isolation_level=None)) as first, closing(sqlite3.connect(path)) as second:
        second.isolation_level = None
        first.execute("BEGIN")
        for reader, other in cycle([(second, first), (first, second)]):
            reader.execute("BEGIN")
            reader.execute("SELECT max(position) FROM events").fetchone()
            other.execute("COMMIT")
            if stop.wait(0.001):
                return


async def test_the_log_stays_bounded_while_somebody_always_reads(tmp_path: Path) -> None:
    engine = SqliteEngine(tmp_path / "log.db")
    await engine.open()
    await stored(engine, to_stream("thing-a"))
    stop, largest = threading.Event(), 0
    reading = asyncio.create_task(asyncio.to_thread(read_without_a_break, tmp_path / "log.db", stop))
    for _ in range(400):
        await stored(engine, to_stream("thing-a", *fresh(data=PAYLOAD)))
        largest = max(largest, size(tmp_path / "log.db-wal"))
    stop.set()
    await reading
    assert largest < BOUND
    assert len(await whole_log(engine)) == 401
    await engine.close()


async def test_a_long_log_left_by_others_is_moved_by_who_writes_next(tmp_path: Path) -> None:
    """Programs that write little and end soon leave it to each other, as long as one of them keeps the file open."""
    reader = SqliteEngine(tmp_path / "log.db")
    await reader.open()
    for _ in range(100):
        engine = SqliteEngine(tmp_path / "log.db")
        await engine.open()
        await stored(engine, to_stream("thing-a", *fresh(data=PAYLOAD)))
        await engine.close()
    assert size(tmp_path / "log.db-wal") < BOUND / 4
    assert len(await whole_log(reader)) == 100
    await reader.close()


async def test_nobody_commits_or_moves_the_log_without_the_lock(tmp_path: Path) -> None:
    """Neither overlaps the other in any process: the guard against the WAL-reset bug of SQLite before 3.51.3."""
    held: dict[str, list[bool]] = {"COMMIT": [], "PRAGMA wal_checkpoint(PASSIVE)": []}

    def is_free() -> bool:
        descriptor = os.open(tmp_path / "log.db-lock", os.O_RDWR)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        finally:
            os.close(descriptor)
        return True

    def look(connection: FailingConnection, sql: str) -> None:
        if sql in held:
            held[sql].append(not is_free())

    with failing_connections(), failing(look):
        engine = SqliteEngine(tmp_path / "log.db")
        await engine.open()
        await asyncio.gather(*(stored(engine, to_stream("thing-a", *fresh(data=PAYLOAD))) for _ in range(30)))
        await engine.close()
    assert is_free()
    assert all(all(found) for found in held.values())
    assert len(held["COMMIT"]) == 30
    assert held["PRAGMA wal_checkpoint(PASSIVE)"]
