"""The open store file: its lock, the writer and the read-only connections, opened and closed in the right order.

Runs in the engine's writer thread, because opening, upgrading and recovering a file takes its time.
"""

from __future__ import annotations

import sqlite3
from contextlib import ExitStack
from pathlib import Path

from everfold.clock import Clock
from everfold.engines.sqlite.connection import connect, connect_verified
from everfold.engines.sqlite.file_lock import FileLock
from everfold.engines.sqlite.schema import inspect_file, upgrade
from everfold.engines.sqlite.writer import Writer
from everfold.errors import StoreError

__all__ = ["StoreFile"]

LOOK_SECONDS = 0.05


class StoreFile:
    """Everything that is open while a store is. A failed or interrupted ``open`` leaves nothing for later."""

    def __init__(self, path: str, *, clock: Clock, lock_timeout: float, synchronous: str, readers: int) -> None:
        self._path = path
        self._clock = clock
        self._lock_timeout = lock_timeout
        self._synchronous = synchronous
        self._reader_count = readers
        self._stack = ExitStack()

    def open(self) -> None:
        """Create, upgrade or recover the file, and connect to it. Refuses what ``schema`` refuses."""
        lock_path = self._path + "-lock"
        try:
            inspect_file(self._path)
        except StoreError:
            if not Path(lock_path).exists():  # foreign files are left alone: no lock file beside them either
                raise
        with ExitStack() as stack:
            lock = FileLock(lock_path, timeout=self._lock_timeout)
            stack.callback(lock.close)
            with lock.held():
                inspect_file(self._path)  # again: while we waited, another process may have made the file
                self._upgrade()
            self.writer = Writer(self._path, connect=self._connect, lock=lock, clock=self._clock)
            stack.callback(self.writer.close)
            self.lookout = self._connect(read_only=True, lock_timeout=LOOK_SECONDS)
            stack.callback(self.lookout.close)
            self.readers: list[sqlite3.Connection] = []
            for _ in range(self._reader_count):
                self.readers.append(self._connect(read_only=True))
                stack.callback(self.readers[-1].close)
            self._stack = stack.pop_all()

    def close(self) -> None:
        """Close everything, the writer last and under the lock: it may empty the write-ahead log."""
        self._stack.close()

    def _upgrade(self) -> None:
        connection = connect(self._path, lock_timeout=self._lock_timeout, synchronous=self._synchronous)
        try:
            upgrade(connection, self._path)
        finally:
            connection.close()

    def _connect(self, *, read_only: bool = False, lock_timeout: float | None = None) -> sqlite3.Connection:
        return connect_verified(
            self._path,
            lock_timeout=self._lock_timeout if lock_timeout is None else lock_timeout,
            synchronous=self._synchronous,
            read_only=read_only,
        )
