"""The limit: the standard library's ``sqlite3`` doing the same rows in the same tables with the same statements.

Settings as everfold's: WAL, ``synchronous=FULL``, the same page cache, a checkpoint every 4,000 pages. What it
leaves out: encoding, ids (they are counted), checksums (a constant), the clock, the file lock between processes,
typed objects, decisions, and any error handling.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from benchmarks.payload import METADATA_JSON, OPENED_JSON, OPENED_TYPE
from everfold.engines.statements import load_statements, load_upgrades

__all__ = ["CHECKSUM", "RECORDED", "STATEMENTS", "RawLog", "Row", "commit_rows", "connect", "create", "row"]

PACKAGE = "everfold.engines.sqlite"
STATEMENTS = load_statements(PACKAGE)
CHECKSUM = 0xDEAD_BEEF
RECORDED = 1_767_225_600_000_000
PRAGMAS = (
    "journal_mode = WAL",
    "synchronous = FULL",
    "wal_autocheckpoint = 4000",
    "cache_size = -32768",
    "temp_store = MEMORY",
)
Row = tuple[Any, ...]


def create(path: Path) -> sqlite3.Connection:
    """A connection to a new file with everfold's tables. It may be used by any thread, one at a time."""
    connection = connect(path)
    for script in load_upgrades(PACKAGE):
        connection.executescript(script)
    return connection


def connect(path: Path) -> sqlite3.Connection:
    """A connection that leaves transactions to us."""
    connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
    for pragma in PRAGMAS:
        connection.execute(f"PRAGMA {pragma}")
    return connection


def row(position: int, stream: str, version: int, *, type: str = OPENED_TYPE, data: str = OPENED_JSON) -> Row:
    """One row of the table of events."""
    id = f"019a0000-0000-7000-8000-{position:012x}"
    return (position, stream, version, type, 1, id, RECORDED, data, METADATA_JSON, None, CHECKSUM)


def commit_rows(connection: sqlite3.Connection, rows: Sequence[Row], head: int) -> None:
    """One durable transaction: the rows, and the head of the log."""
    connection.execute("BEGIN IMMEDIATE")
    _store_rows(connection, rows, head)


def _store_rows(connection: sqlite3.Connection, rows: Sequence[Row], head: int) -> None:
    connection.executemany(STATEMENTS["insert_event"], rows)
    connection.execute(STATEMENTS["write_head"], (head, RECORDED))
    connection.execute("COMMIT")


class RawLog:
    """A new file, for the bare group commit."""

    def __init__(self, path: Path) -> None:
        self._connection = create(path)

    def begin(self, streams: Iterable[str]) -> Mapping[str, int]:
        """A statement for each stream: they are no trips to anywhere."""
        self._connection.execute("BEGIN IMMEDIATE")
        return {stream: self._version(stream) for stream in streams}

    def _version(self, stream: str) -> int:
        found = self._connection.execute(STATEMENTS["stream_version"], (stream,)).fetchone()
        return int(found[0]) if found else 0

    def commit(self, rows: Sequence[Row], head: int) -> None:
        """As ``commit_rows``."""
        _store_rows(self._connection, rows, head)

    def close(self) -> None:
        """Close the file."""
        self._connection.close()
