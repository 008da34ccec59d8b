"""The limit: the standard library's ``sqlite3`` doing the same rows in the same tables with the same statements.

Settings as everfold's: WAL, ``synchronous=FULL``, the same page cache, a checkpoint every 4,000 pages. What it
leaves out: encoding, ids (they are counted), checksums (a constant), the clock, the file lock between processes,
typed objects, decisions, and any error handling.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from benchmarks.payload import METADATA_JSON, OPENED_JSON, OPENED_TYPE
from everfold.engines.statements import load_statements, load_upgrades

__all__ = ["STATEMENTS", "Row", "commit_rows", "connect", "create", "row"]

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
    connection.executemany(STATEMENTS["insert_event"], rows)
    connection.execute(STATEMENTS["write_head"], (head, RECORDED))
    connection.execute("COMMIT")
