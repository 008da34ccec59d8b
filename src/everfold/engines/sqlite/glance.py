"""Reads on one consistent view, and short ones in the event loop's own thread. Used by read databases.

A row found by its key takes SQLite some ten microseconds, and a hop to another thread and back several times that.
What takes more steps than a short read does is interrupted, so that the event loop never waits for long.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from typing import TypeVar

from everfold.engines.held_connection import only_reading
from everfold.engines.sqlite.failures import infrastructure_error, translate
from everfold.engines.sqlite.file_kind import FileKind
from everfold.errors import StoreBusy
from everfold.log.read_database import NotNow

__all__ = ["Glance", "look"]

T = TypeVar("T")
Job = Callable[[sqlite3.Connection], T]
GRAIN = 1_000
MOST = 20
"""Times ``GRAIN`` steps of SQLite's virtual machine: less than a millisecond."""


class Glance:
    """A connection that only reads, and does not do so for long. Belongs to the event loop's thread."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        self._is_counting = False
        self._count = 0
        connection.set_progress_handler(self._stepped, GRAIN)

    def _stepped(self) -> bool:
        self._count += self._is_counting
        return self._is_counting and self._count > MOST

    def run(self, job: Job[T], path: str, kind: FileKind) -> T:
        """As ``look``; NotNow when the job was interrupted, also if it hushed that up, or the file is locked."""
        self._count = 0

        def counted(connection: sqlite3.Connection) -> T:
            self._is_counting = True
            try:
                return job(connection)
            finally:
                self._is_counting = False  # the end of the transaction is not to be interrupted

        try:
            result = look(path, kind, counted, self._connection)
        except Exception as error:
            if self._count > MOST or isinstance(error, StoreBusy):
                raise NotNow from error
            raise
        if self._count > MOST:
            raise NotNow
        return result


def look(path: str, kind: FileKind, job: Job[T], connection: sqlite3.Connection) -> T:
    """One consistent view of what is committed: all statements of the job see the same."""
    try:
        connection.execute("BEGIN")
        try:
            with only_reading():
                return job(connection)
        finally:
            if connection.in_transaction:
                connection.execute("ROLLBACK")
    except Exception as error:
        if found := infrastructure_error(error):
            raise translate(found, path, kind) from error
        raise
