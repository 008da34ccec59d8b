"""An open file of ours: its lock, what writes to it and the read-only connections, opened and closed in order.

Runs in the thread that writes, because opening, upgrading and recovering a file takes its time.
"""

from __future__ import annotations

import sqlite3
from contextlib import ExitStack
from pathlib import Path

from everfold.engines.sqlite.connection import connect, connect_verified
from everfold.engines.sqlite.file_kind import FileKind
from everfold.engines.sqlite.file_lock import FileLock
from everfold.engines.sqlite.glance import Glance
from everfold.engines.sqlite.schema import inspect_file, upgrade
from everfold.engines.sqlite.transactions import Transactions
from everfold.errors import StoreError

__all__ = ["DatabaseFile"]


class DatabaseFile:
    """Everything that is open while the file is. A failed or interrupted ``open`` leaves nothing for later."""

    def __init__(self, path: str, *, kind: FileKind, lock_timeout: float, synchronous: str, readers: int) -> None:
        self._path = path
        self._kind = kind
        self._lock_timeout = lock_timeout
        self._synchronous = synchronous
        self._reader_count = readers
        self._stack = ExitStack()

    def open(self) -> None:
        """Create, upgrade or recover the file, and connect to it. Refuses what ``schema`` refuses."""
        lock_path = self._path + "-lock"
        try:
            inspect_file(self._path, self._kind)
        except StoreError:
            if not Path(lock_path).exists():  # foreign files are left alone: no lock file beside them either
                raise
        with ExitStack() as stack:
            lock = FileLock(lock_path, timeout=self._lock_timeout)
            stack.callback(lock.close)
            with lock.held():
                inspect_file(self._path, self._kind)  # again: while we waited, others may have made the file
                self._upgrade()
            self.transactions = Transactions(self._path, connect=self.connect, lock=lock, kind=self._kind)
            stack.callback(self.transactions.close)
            self.prepare(stack)
            self.readers: list[sqlite3.Connection] = []
            for _ in range(self._reader_count):
                self.readers.append(self.connect(read_only=True))
                stack.callback(self.readers[-1].close)
            glancing = self.connect(read_only=True, lock_timeout=0.0)
            stack.callback(glancing.close)
            self.glance = Glance(glancing)
            self._stack = stack.pop_all()

    def prepare(self, stack: ExitStack) -> None:
        """What else a kind of file needs: called when ``transactions`` is ready; ``stack`` closes what it opens."""

    def close(self) -> None:
        """Close everything, what writes last and under the lock: it may empty the write-ahead log."""
        self._stack.close()

    def _upgrade(self) -> None:
        connection = connect(
            self._path, lock_timeout=self._lock_timeout, synchronous=self._synchronous, kind=self._kind
        )
        try:
            upgrade(connection, self._path, self._kind)
        finally:
            connection.close()

    def connect(self, *, read_only: bool = False, lock_timeout: float | None = None) -> sqlite3.Connection:
        """One more connection to the file."""
        return connect_verified(
            self._path,
            lock_timeout=self._lock_timeout if lock_timeout is None else lock_timeout,
            synchronous=self._synchronous,
            read_only=read_only,
            kind=self._kind,
        )
