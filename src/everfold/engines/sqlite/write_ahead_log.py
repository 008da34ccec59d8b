"""Keeps a write-ahead log short: how much of it this process has made, and moving it into the file."""

from __future__ import annotations

import sqlite3
from pathlib import Path

__all__ = ["BYTES_PER_COMMIT", "BYTES_PER_ROW", "CHECKPOINT_BYTES", "LONG_LOG_PAGES", "WriteAheadLog"]

CHECKPOINT_BYTES = 16 * 1024 * 1024
BYTES_PER_COMMIT, BYTES_PER_ROW = 24 * 1024, 1024
"""A commit touches a page of each table and index; rows then fill pages. An estimate that needs no system call."""
LONG_LOG_PAGES = 16_384
RESTART_MILLIS = 100


class WriteAheadLog:
    """The write-ahead log of one file, as the process that writes to it sees it."""

    def __init__(self, path: str) -> None:
        self._path = Path(path + "-wal")
        self._size = 0
        self.unmoved = 0
        """About how many bytes have not been moved into the file."""
        # What earlier processes left counts too, or nobody would ever move it.
        self.unmoved = self._growth()

    def note(self, changes: int) -> None:
        """A commit of so many rows of unknown size: the growth of the file tells more, if it did grow."""
        self.unmoved += BYTES_PER_COMMIT + max(BYTES_PER_ROW * changes, self._growth())

    def _growth(self) -> int:
        before, self._size = self._size, self._path.stat().st_size if self._path.exists() else 0
        return max(self._size - before, 0)

    def move(self, connection: sqlite3.Connection, *, long: int) -> None:
        """Move committed pages into the file; a log of more than ``long`` pages begins anew. Needs the file lock."""
        execute = connection.execute
        (_, pages, _) = execute("PRAGMA wal_checkpoint(PASSIVE)").fetchone()
        if pages > long:
            # There always was a reader when the log could have begun anew: make the next ones wait a moment.
            (patience,) = execute("PRAGMA busy_timeout").fetchone()
            execute(f"PRAGMA busy_timeout = {RESTART_MILLIS}")
            execute("PRAGMA wal_checkpoint(RESTART)").fetchone()
            execute(f"PRAGMA busy_timeout = {patience}")
