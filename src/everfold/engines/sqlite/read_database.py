"""Where read models live: a file of their own beside the log (views), or the log's file itself (beside)."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

from everfold.engines.sqlite.database_file import DatabaseFile
from everfold.engines.sqlite.file_kind import LOG, VIEWS
from everfold.engines.sqlite.file_threads import FileThreads, start_threads
from everfold.engines.sqlite.glance import look
from everfold.engines.sqlite.store_file import StoreFile
from everfold.engines.sqlite.write_ahead_log import CHECKPOINT_BYTES, LONG_LOG_PAGES
from everfold.errors import StoreClosed
from everfold.log.read_database import NotNow

__all__ = ["Beside", "Views", "views_path"]

T = TypeVar("T")
READERS = 2


def views_path(path: str) -> str:
    """The file of the read models that follow the log in this file: ``bank.views.db`` of ``bank.db``."""
    log = Path(path)
    return str(log.with_name(f"{log.stem}.views{log.suffix}"))


class Beside:
    """The log's own file, through the engine's own threads: jobs and batches take turns."""

    dialect = "sqlite"

    def __init__(self, path: str, opened: Callable[[], FileThreads[StoreFile]]) -> None:
        self._path = path
        self._opened = opened

    async def write(self, job: Callable[[Any], T]) -> T:
        """In the thread of the log's writer, as durable as an append."""
        threads = self._opened()
        writer = threads.file.writer
        result = await threads.writer.do(partial(writer.run, job))
        if writer.is_checkpoint_due:
            threads.writer.post(writer.checkpoint)
        return result

    async def read(self, job: Callable[[Any], T]) -> T:
        """With one of the connections that read the log."""
        return await self._opened().readers.do(partial(look, self._path, LOG, job))

    def glance(self, job: Callable[[Any], T]) -> T:
        """With a connection of its own."""
        return self._opened().file.glance.run(job, self._path, LOG)


class Views:
    """A file of its own, opened when it is first used while the engine is open."""

    dialect = "sqlite"

    def __init__(self, path: str, *, lock_timeout: float, synchronous: str) -> None:
        self._path = path
        self._lock_timeout = lock_timeout
        self._synchronous = synchronous
        self._life_cycle = asyncio.Lock()
        self._is_open = False
        self._threads: FileThreads[DatabaseFile] | None = None

    def open(self) -> None:
        """The engine is open: from now on the file may be used."""
        self._is_open = True

    async def close(self) -> None:
        """Finish the jobs that were begun, refuse later ones."""
        self._is_open = False
        async with self._life_cycle:
            threads, self._threads = self._threads, None
            if threads:
                await threads.close()

    async def write(self, job: Callable[[Any], T]) -> T:
        """In the thread that writes to the file. A power cut may take the last transactions, in order."""
        threads = await self._opened()
        transactions = threads.file.transactions
        result = await threads.writer.do(partial(transactions.run, job))
        if transactions.log.unmoved > CHECKPOINT_BYTES:
            threads.writer.post(partial(transactions.checkpoint, beyond=CHECKPOINT_BYTES, long=LONG_LOG_PAGES))
        return result

    async def read(self, job: Callable[[Any], T]) -> T:
        """With one of the connections that only read."""
        threads = await self._opened()
        return await threads.readers.do(partial(look, self._path, VIEWS, job))

    def glance(self, job: Callable[[Any], T]) -> T:
        """With a connection of its own; not before the file was opened."""
        if self._threads is None:
            raise NotNow
        return self._threads.file.glance.run(job, self._path, VIEWS)

    async def _opened(self) -> FileThreads[DatabaseFile]:
        if self._threads:
            return self._threads
        async with self._life_cycle:
            if not self._is_open:
                raise StoreClosed(f"The store of {self._path} is not open. Use it inside `async with app`.")
            if not self._threads:
                file = DatabaseFile(
                    self._path,
                    kind=VIEWS,
                    lock_timeout=self._lock_timeout,
                    synchronous=self._synchronous,
                    readers=READERS,
                )
                self._threads = await start_threads(file, name="everfold-views")
            return self._threads
