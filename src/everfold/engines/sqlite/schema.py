"""Creates and upgrades the tables, and refuses files that are not ours, damaged or newer, leaving them untouched."""

from __future__ import annotations

import sqlite3
from pathlib import Path

from everfold.engines.sqlite.failures import translated
from everfold.engines.sqlite.file_kind import LOG, FileKind
from everfold.errors import NotAStore, StoreCorrupt, StoreError, StoreTooNew

__all__ = ["inspect_file", "schema_version", "upgrade"]

SMALLEST_FILE = 512
MAGIC = b"SQLite format 3\0"
JOURNAL_HEADER_SIZE = 28
JOURNAL_MAGIC = b"\xd9\xd5\x05\xf9\x20\xa1\x63\xd7"


def inspect_file(path: str, kind: FileKind = LOG) -> None:
    """Look at the file's header before anything may change it (https://www.sqlite.org/fileformat.html, 1.3).

    An absent or empty file is fine: it becomes one of this kind. Raises NotAStore, StoreTooNew or StoreCorrupt.
    """
    if Path(path).is_dir():
        raise NotAStore(f"{path} is a folder and not {kind.name}: {kind.otherwise}.")
    size = _size_of(path)
    if not size or _was_creation_interrupted(path):
        return
    if size < SMALLEST_FILE:
        raise _too_short(path, size, kind)
    header = _header_of(path, kind)
    if header is None:
        return
    application_id, version, page_size = header
    if application_id != kind.application_id:
        raise _of_another_application(path, kind)
    _check_version(version, kind)
    if size % page_size and not _size_of(path + "-wal"):
        raise _cut_off(path, kind)


def _header_of(path: str, kind: FileKind) -> tuple[int, int, int] | None:
    """Application id, schema version and page size; None when only opening the file can tell more.

    SQLite reads it, as a file that nobody writes: it takes no lock and leaves no trace. Reading it ourselves would
    do harm: closing a file drops every POSIX lock that this process holds on it through other connections
    (https://www.sqlite.org/howtocorrupt.html, 2.2).
    """
    connection: sqlite3.Connection | None = None
    try:
        connection = sqlite3.connect(f"{Path(path).absolute().as_uri()}?mode=ro&immutable=1", uri=True)
        (application_id,), (version,), (page_size,) = [
            connection.execute(f"PRAGMA {name}").fetchone() for name in ("application_id", "user_version", "page_size")
        ]
    except sqlite3.Error as error:
        if error.sqlite_errorcode == sqlite3.SQLITE_NOTADB:
            raise _no_sqlite(path, kind) from error
        # While another process empties its write-ahead log, the header may be ahead of the file.
        if error.sqlite_errorcode == sqlite3.SQLITE_CORRUPT and not _size_of(path + "-wal"):
            raise _cut_off(path, kind) from error
        return None
    finally:
        if connection is not None:
            connection.close()
    return application_id, version, page_size


def _too_short(path: str, size: int, kind: FileKind) -> StoreError:
    """What is wrong with a file shorter than any SQLite file: nobody can hold a lock on it, so it may be read."""
    beginning = _beginning_of(path, len(MAGIC))
    return _cut_off(path, kind) if size and MAGIC.startswith(beginning) else _no_sqlite(path, kind)


def _no_sqlite(path: str, kind: FileKind) -> NotAStore:
    return NotAStore(f"{path} is not a SQLite file. It was left untouched; {kind.otherwise}.")


def _cut_off(path: str, kind: FileKind) -> StoreCorrupt:
    return StoreCorrupt(f"{path} was cut off after {_size_of(path):,} bytes, or is damaged. {kind.repair}.")


def _size_of(path: str) -> int:
    try:
        return Path(path).stat().st_size
    except OSError:
        return 0


def _beginning_of(path: str, size: int) -> bytes:
    try:
        with Path(path).open("rb") as file:
            return file.read(size)
    except OSError:
        return b""


def _was_creation_interrupted(path: str) -> bool:
    """Whether a journal is left that undoes everything (fileformat.html, 3): SQLite makes the file empty again."""
    journal = _beginning_of(path + "-journal", JOURNAL_HEADER_SIZE)
    return journal.startswith(JOURNAL_MAGIC) and journal[16:20] == bytes(4)


def _check_version(version: int, kind: FileKind) -> None:
    if version > len(kind.upgrades):
        raise StoreTooNew(version, len(kind.upgrades))


def schema_version(connection: sqlite3.Connection) -> int:
    """How many upgrades the file has seen."""
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    return int(version)


def upgrade(connection: sqlite3.Connection, path: str, kind: FileKind = LOG) -> None:
    """Run the upgrades that are missing, each in a transaction of its own, then switch to the write-ahead log.

    The caller holds the file lock, so that of several processes that open a new file one creates it.
    """
    with translated(path, kind):
        _check_owner(connection, path, kind)
        _check_version(schema_version(connection), kind)
        for number, script in enumerate(kind.upgrades, start=1):
            if schema_version(connection) < number:
                _run(connection, script, number, kind)
        connection.execute("PRAGMA journal_mode = WAL").fetchone()
        _check_writable(connection)


def _run(connection: sqlite3.Connection, script: str, number: int, kind: FileKind) -> None:
    try:
        connection.executescript(
            f"BEGIN IMMEDIATE;\n{script}\nPRAGMA application_id = {kind.application_id};\n"
            f"PRAGMA user_version = {number};\nCOMMIT;"
        )
    except BaseException:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise


def _check_writable(connection: sqlite3.Connection) -> None:
    """Better now than at the first append. SQLite begins a transaction on a read-only file, but refuses to write."""
    connection.execute("BEGIN IMMEDIATE")
    try:
        connection.execute(f"PRAGMA user_version = {schema_version(connection)}")
    finally:
        connection.execute("ROLLBACK")


def _check_owner(connection: sqlite3.Connection, path: str, kind: FileKind) -> None:
    (application_id,) = connection.execute("PRAGMA application_id").fetchone()
    (tables,) = connection.execute("SELECT count(*) FROM sqlite_schema").fetchone()
    if tables and application_id != kind.application_id:
        raise _of_another_application(path, kind)


def _of_another_application(path: str, kind: FileKind) -> NotAStore:
    return NotAStore(f"{path} is a SQLite file of another application. It was left untouched; {kind.otherwise}.")
