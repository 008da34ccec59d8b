"""Where the read models of a memory store live: one SQLite database in memory, for views and beside alike.

One connection serves all, under a lock: jobs run in a thread, the hook in the event loop's while it appends.
"""

from __future__ import annotations

import sqlite3
import threading
import weakref
from collections.abc import Callable, Generator
from contextlib import contextmanager
from functools import partial
from typing import Any, TypeVar

from everfold.engines.held_connection import HeldConnection, check_under_way, only_reading
from everfold.engines.worker import Worker
from everfold.errors import StoreClosed
from everfold.log.read_database import NotNow

__all__ = ["MEMORY", "SPILLING", "MemoryReadDatabase"]

T = TypeVar("T")
MEMORY, SPILLING = ":memory:", ""


class MemoryReadDatabase:
    """A database that lives as long as its engine object; its thread only while the engine is open.

    ``path``: where it lies; ``SPILLING`` for one that SQLite moves to a nameless file on disk when it grows.
    """

    dialect = "sqlite"

    def __init__(self, path: str = MEMORY) -> None:
        self._connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False, factory=HeldConnection)
        weakref.finalize(self, self._connection.close)
        self._lock = threading.Lock()
        self._is_open = False
        self._thread: Worker | None = None
        self.jobs = 0
        """How many jobs have written so far."""

    def open(self) -> None:
        """From now on it may be used."""
        self._is_open = True

    def close(self) -> None:
        """Refuse further jobs; those that were begun go on to their end."""
        self._is_open = False
        if self._thread:
            self._thread.stop(wait=False)
            self._thread = None

    async def write(self, job: Callable[[Any], T]) -> T:
        """One transaction."""
        return await self._opened().do(partial(self._write, job))

    async def read(self, job: Callable[[Any], T]) -> T:
        """Nobody writes meanwhile, so there is only one view."""
        return await self._opened().do(partial(self._read, job))

    def glance(self, job: Callable[[Any], T]) -> T:
        """As long as it takes; not while another job is under way."""
        self._opened()
        if not self._lock.acquire(blocking=False):
            raise NotNow
        try:
            return self._look(job)
        finally:
            self._lock.release()

    def _opened(self) -> Worker:
        if not self._is_open:
            raise StoreClosed("The memory store is not open. Use it inside `async with app`.")
        self._thread = self._thread or Worker("everfold-memory")
        return self._thread

    def _write(self, job: Callable[[Any], T]) -> T:
        with self.transaction() as connection:
            self.jobs += 1
            result = job(connection)
            check_under_way(connection)
            return result

    @contextmanager
    def transaction(self) -> Generator[sqlite3.Connection]:
        """A transaction around what is done inside; an error undoes it."""
        with self._lock:
            self._connection.execute("BEGIN IMMEDIATE")
            try:
                yield self._connection
                self._connection.execute("COMMIT")
            except BaseException:
                if self._connection.in_transaction:
                    self._connection.execute("ROLLBACK")
                raise

    def _read(self, job: Callable[[Any], T]) -> T:
        with self._lock:
            return self._look(job)

    def _look(self, job: Callable[[Any], T]) -> T:
        self._connection.execute("PRAGMA query_only = 1")
        try:
            with only_reading():
                return job(self._connection)
        finally:
            self._connection.execute("PRAGMA query_only = 0")
