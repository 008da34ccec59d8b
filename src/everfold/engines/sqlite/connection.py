"""Opens connections to the store file with the settings that its promises rest on, and verifies each of them."""

from __future__ import annotations

import sqlite3

from everfold.engines.held_connection import HeldConnection
from everfold.engines.sqlite.failures import translated
from everfold.engines.sqlite.file_kind import APPLICATION_ID, LOG, FileKind
from everfold.errors import StoreUnavailable

__all__ = ["APPLICATION_ID", "SYNCHRONOUS", "connect", "connect_verified", "verify_durability"]

SYNCHRONOUS = {"full": 2, "extra": 3, "normal": 1, "off": 0}
WRITER_CACHE_KIB = 32 * 1024
READER_CACHE_KIB = 8 * 1024
JOURNAL_SIZE_LIMIT = 64 * 1024 * 1024
STATEMENT_CACHE = 64


def connect(
    path: str, *, lock_timeout: float, synchronous: str = "full", read_only: bool = False, kind: FileKind = LOG
) -> sqlite3.Connection:
    """A connection that leaves transactions to us. It may be used by one thread at a time, any thread."""
    with translated(path, kind):
        connection = sqlite3.connect(
            path,
            timeout=lock_timeout,
            isolation_level=None,
            check_same_thread=False,
            cached_statements=STATEMENT_CACHE,
            factory=HeldConnection,
        )
        try:
            _configure(connection, synchronous=synchronous, read_only=read_only)
        except BaseException:
            connection.close()
            raise
    return connection


def _configure(connection: sqlite3.Connection, *, synchronous: str, read_only: bool) -> None:
    cache = READER_CACHE_KIB if read_only else WRITER_CACHE_KIB
    for pragma in (
        f"synchronous = {SYNCHRONOUS[synchronous]}",
        "fullfsync = 1",  # macOS: a plain fsync does not reach the disk there
        "wal_autocheckpoint = 0",  # checkpoints are taken under the file lock only
        f"journal_size_limit = {JOURNAL_SIZE_LIMIT}",
        f"cache_size = -{cache}",
        "temp_store = MEMORY",
        "trusted_schema = OFF",
        "cell_size_check = ON",
        f"query_only = {int(read_only)}",
    ):
        connection.execute(f"PRAGMA {pragma}")


def connect_verified(
    path: str, *, lock_timeout: float, synchronous: str = "full", read_only: bool = False, kind: FileKind = LOG
) -> sqlite3.Connection:
    """A connection to an existing file that is known to be as durable as it was asked to be."""
    connection = connect(path, lock_timeout=lock_timeout, synchronous=synchronous, read_only=read_only, kind=kind)
    try:
        verify_durability(connection, path, synchronous=synchronous, kind=kind)
    except BaseException:
        connection.close()
        raise
    return connection


def verify_durability(connection: sqlite3.Connection, path: str, *, synchronous: str, kind: FileKind = LOG) -> None:
    """Ask SQLite whether the settings that durability rests on are in force. Some builds and file systems refuse."""
    with translated(path, kind):
        (mode,) = connection.execute("PRAGMA journal_mode").fetchone()
        (level,) = connection.execute("PRAGMA synchronous").fetchone()
    if mode != "wal" or level != SYNCHRONOUS[synchronous]:
        raise StoreUnavailable(
            f"{path}: SQLite runs with journal_mode={mode}, synchronous={level} instead of wal, "
            f"{SYNCHRONOUS[synchronous]}. Commits would not be durable. Put the file on a local disk."
        )
