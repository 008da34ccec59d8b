"""The one connection of this process that writes to a file: one transaction at a time, under the file lock.

Used by the log's writer and for read models. Runs in the thread that writes. ``commit`` is the only place of the
engine that acknowledges anything.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from contextlib import suppress
from typing import Any, NoReturn, TypeVar

from everfold.engines.held_connection import check_under_way
from everfold.engines.sqlite.failures import infrastructure_error, is_refusal, translate, translated
from everfold.engines.sqlite.file_kind import LOG, FileKind
from everfold.engines.sqlite.file_lock import FileLock
from everfold.engines.sqlite.write_ahead_log import WriteAheadLog
from everfold.errors import OutcomeUnknown, StoreBusy

__all__ = ["Transactions"]

T = TypeVar("T")


class Transactions:
    """Begins, commits and undoes them, and says honestly what became of each."""

    def __init__(
        self, path: str, *, connect: Callable[[], sqlite3.Connection], lock: FileLock, kind: FileKind = LOG
    ) -> None:
        self.path = path
        self.lock = lock
        self.log = WriteAheadLog(path)
        self._kind = kind
        self._connect = connect
        self.connection = connect()
        """Another one after ``begin``, if this one was lost."""
        self._is_lost = False

    def begin(self) -> sqlite3.Connection:
        """Begin one, on a new connection if the last one was lost. The caller holds the lock."""
        if self._is_lost:
            self.connection = self._connect()
            self._is_lost = False
        self.connection.execute("BEGIN IMMEDIATE")
        return self.connection

    def commit(self) -> None:
        """Make it durable. What happens in here decides between stored, not stored and unknown."""
        try:
            self.connection.execute("COMMIT")
        except BaseException as error:
            self._give_up(error)

    def _give_up(self, error: BaseException) -> NoReturn:
        if isinstance(error, sqlite3.Error) and is_refusal(error):
            self.roll_back()
            raise translate(error, self.path, self._kind) from error
        # The commit record may have reached the disk although the sync failed (and after a failed sync the
        # operating system may drop pages silently): go on with a fresh connection, made when it is needed.
        self._lose_connection()
        raise OutcomeUnknown(
            f"{self.path}: the disk failed while a commit was under way ({error}). It may or may not be "
            "stored. Check the disk, then retry with the same idempotency key."
        ) from error

    def roll_back(self) -> None:
        """Undo it, if it is still under way."""
        try:
            if not self._is_lost and self.connection.in_transaction:
                self.connection.execute("ROLLBACK")
        except sqlite3.Error:
            self._lose_connection()

    def _lose_connection(self) -> None:
        """Closing undoes what is not committed, and frees SQLite's own lock."""
        self._is_lost = True
        self.connection.close()

    def run(self, job: Callable[[Any], T]) -> T:
        """A whole transaction around the job, as ``ReadDatabase.write`` promises it."""
        with self.lock.held():
            with translated(self.path, self._kind):
                connection = self.begin()
            changes = connection.total_changes
            try:
                result = job(connection)
                check_under_way(connection)
            except BaseException as error:
                self.roll_back()
                if found := infrastructure_error(error):
                    raise translate(found, self.path, self._kind) from error
                raise
            self.commit()
            self.log.note(connection.total_changes - changes)
        return result

    def checkpoint(self, *, beyond: int, long: int) -> None:
        """Move committed pages from the write-ahead log into the file, if so many bytes wait. Never during a commit.

        ``long``: a log of more pages than this begins anew.
        """
        if self._is_lost or self.log.unmoved <= beyond:
            return
        self.log.unmoved = 0
        with self.lock.held(), translated(self.path, self._kind):
            self.log.move(self.connection, long=long)

    def close(self) -> None:
        """Close the connection; the last one of all processes also empties the write-ahead log."""
        with suppress(StoreBusy), self.lock.held():
            self.connection.close()
        self.connection.close()  # whoever kept the lock has the file open, so ours is not the last connection
