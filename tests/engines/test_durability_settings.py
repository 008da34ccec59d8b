"""The settings that durability rests on are asked back from SQLite on every connection; without them: no store."""

import sqlite3
from collections.abc import Generator
from contextlib import closing
from pathlib import Path
from typing import Any, ClassVar
from unittest.mock import patch

import pytest

from everfold.engines.held_connection import HeldConnection
from everfold.engines.sqlite.connection import SYNCHRONOUS, connect, connect_verified, verify_durability
from everfold.engines.sqlite.engine import SqliteEngine
from everfold.errors import StoreUnavailable
from everfold.testing.contracts.engine_case import stored, to_stream
from tests.engines.failing_connection import FailingConnection, failing, failing_connections


@pytest.fixture
async def path(tmp_path: Path) -> str:
    """An empty store."""
    engine = SqliteEngine(tmp_path / "log.db")
    await engine.open()
    await engine.close()
    return str(tmp_path / "log.db")


class Spied(HeldConnection):
    """Remembers all connections."""

    made: ClassVar[list["Spied"]] = []

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self.made.append(self)


@pytest.fixture
def connections() -> Generator[list[Spied]]:
    """Every connection that is made meanwhile."""
    Spied.made.clear()
    with patch("everfold.engines.sqlite.connection.HeldConnection", Spied):
        yield Spied.made


async def test_every_connection_of_an_open_store_is_durable(tmp_path: Path, connections: list[Spied]) -> None:
    """Promise 1: write-ahead log, synced at every commit, and checkpoints only when we say so."""
    engine = SqliteEngine(tmp_path / "log.db", readers=3)
    await engine.open()
    await stored(engine, to_stream("thing-a"))
    looked_at = 0
    for connection in connections[1:]:  # the first one creates the file and is closed again
        settings = [
            connection.execute(f"PRAGMA {name}").fetchone()[0]
            for name in ("journal_mode", "synchronous", "wal_autocheckpoint", "fullfsync")
        ]
        assert settings == ["wal", 2, 0, 1]
        looked_at += 1
    assert looked_at == 6  # the writer, the look-out, three readers, and what glances
    can_only_read = [connection.execute("PRAGMA query_only").fetchone()[0] for connection in connections[1:]]
    assert can_only_read == [0, 1, 1, 1, 1, 1]
    await engine.close()


@pytest.mark.parametrize("level", SYNCHRONOUS)
def test_the_level_asked_for_is_the_level_in_force(path: str, level: str) -> None:
    with closing(connect_verified(path, lock_timeout=1, synchronous=level)) as connection:
        assert connection.execute("PRAGMA synchronous").fetchone() == (SYNCHRONOUS[level],)


def test_a_weaker_level_than_asked_for_is_refused(path: str) -> None:
    with (
        closing(connect(path, lock_timeout=1, synchronous="normal")) as connection,
        pytest.raises(StoreUnavailable, match="synchronous=1"),
    ):
        verify_durability(connection, path, synchronous="full")


def test_a_file_without_write_ahead_log_is_refused(path: str) -> None:
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA journal_mode = DELETE")
    with pytest.raises(StoreUnavailable, match="journal_mode=delete"):
        connect_verified(path, lock_timeout=1)


async def test_a_store_does_not_open_where_the_write_ahead_log_is_not_to_be_had(tmp_path: Path) -> None:
    """Some file systems refuse it, and SQLite then goes on without, saying nothing."""

    def refuse(connection: FailingConnection, sql: str) -> None:
        if sql == "PRAGMA journal_mode = WAL":
            connection.really("PRAGMA locking_mode = NORMAL")
            raise Skipped

    class Skipped(sqlite3.OperationalError):
        sqlite_errorcode = sqlite3.SQLITE_CANTOPEN
        sqlite_errorname = "SQLITE_CANTOPEN"

    engine = SqliteEngine(tmp_path / "log.db")
    with failing_connections(), failing(refuse), pytest.raises(StoreUnavailable):
        await engine.open()
