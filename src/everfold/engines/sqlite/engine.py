"""The SQLite engine: one writer thread, a few readers, one file. Implements ``everfold.log.engine``."""

from __future__ import annotations

import asyncio
import os
import sqlite3
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, TypeVar

from everfold.clock import Clock, SystemClock
from everfold.engines.head_watch import HeadWatch
from everfold.engines.pages import Range
from everfold.engines.sqlite.connection import SYNCHRONOUS
from everfold.engines.sqlite.failures import is_busy, translate, translated
from everfold.engines.sqlite.file_threads import FileThreads, start_threads
from everfold.engines.sqlite.inline_rows import read_within
from everfold.engines.sqlite.integrity import verify_records
from everfold.engines.sqlite.read_database import Beside, Views, views_path
from everfold.engines.sqlite.reader import (
    STATEMENTS,
    read_bare_stream,
    read_checkpoint,
    read_checkpoints,
    read_page,
    read_record,
    read_replies,
    read_reply,
    read_snapshot,
    read_stream,
    read_streams,
)
from everfold.engines.sqlite.store_file import StoreFile
from everfold.errors import ConfigurationError, StoreClosed, StoreError
from everfold.log.catalogue import StreamInfo
from everfold.log.checkpoint import Checkpoint
from everfold.log.idempotency import StoredReply
from everfold.log.integrity import Verified
from everfold.log.read_database import AppendHook, ReadDatabase, ReadRecords
from everfold.log.record import Record
from everfold.log.selection import Selection
from everfold.log.snapshot import Snapshot
from everfold.log.write import Outcome, Write

__all__ = ["SqliteEngine"]

T = TypeVar("T")
POLL_SECONDS = 0.005


class SqliteEngine:
    """A log in one SQLite file, in write-ahead mode and synced at every commit.

    ``path``: the file, made when absent. ``lock_timeout``: seconds to wait for other processes.
    ``synchronous``: ``full``; anything less loses acknowledged commits at a power cut and is for tests.
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        *,
        clock: Clock | None = None,
        lock_timeout: float = 30.0,
        synchronous: str = "full",
        readers: int = 2,
    ) -> None:
        if synchronous not in SYNCHRONOUS:
            raise ConfigurationError(
                f"synchronous={synchronous!r} is not a level of SQLite. Use one of {', '.join(SYNCHRONOUS)}."
            )
        self.path = os.path.realpath(path)  # one lock file for one store, by whatever link it is reached
        self._clock = clock or SystemClock()
        self._lock_timeout = lock_timeout
        self._synchronous = synchronous
        self._reader_count = readers
        self._life_cycle = asyncio.Lock()
        self._watch = HeadWatch()
        self._poller: asyncio.Task[None] | None = None
        self._threads: FileThreads[StoreFile] | None = None
        self._hook: AppendHook | None = None
        self._beside = Beside(self.path, self._opened)
        self._views = Views(
            views_path(self.path),
            lock_timeout=lock_timeout,
            synchronous="off" if synchronous == "off" else "normal",
        )

    async def open(self) -> None:
        """Open or create the file; see ``log.engine`` and ``schema`` for what is refused."""
        async with self._life_cycle:
            if self._threads:
                return
            file = StoreFile(
                self.path,
                clock=self._clock,
                lock_timeout=self._lock_timeout,
                synchronous=self._synchronous,
                readers=self._reader_count,
            )
            threads = await start_threads(file, name="everfold-sqlite")
            file.writer.hook(self._hook)
            self._watch = HeadWatch()
            self._views.open()
            self._threads = threads

    async def close(self) -> None:
        """Finish the batches and pages under way, stop the threads, close the connections."""
        async with self._life_cycle:
            threads, self._threads = self._threads, None
            if not threads:
                return
            self._watch.wake_all()
            if self._poller:
                self._poller.cancel()
            try:
                await self._views.close()
            finally:
                await threads.close()

    async def append(self, writes: Sequence[Write]) -> Sequence[Outcome]:
        """One durable commit for all of them; one hop to the writer thread."""
        threads = self._opened()
        if not writes:
            return []
        return await self._write(threads, lambda: threads.file.writer.append(writes))

    async def restore(
        self,
        records: Sequence[Record],
        *,
        replies: Sequence[StoredReply] = (),
        checkpoints: Sequence[Checkpoint] = (),
    ) -> None:
        """One durable commit, in the writer thread too."""
        threads = self._opened()
        await self._write(threads, lambda: threads.file.writer.restore(records, replies, checkpoints))

    async def _write(self, threads: FileThreads[StoreFile], job: Callable[[], T]) -> T:
        thread, writer = threads.writer, threads.file.writer
        result = await thread.do(job)
        self._watch.announce(writer.head)
        if writer.is_checkpoint_due:
            thread.post(writer.checkpoint)
        return result

    @property
    def views(self) -> ReadDatabase:
        """A file of its own beside the log: ``bank.views.db`` of ``bank.db``, made when it is first used."""
        return self._views

    @property
    def beside(self) -> ReadDatabase:
        """The log's own file."""
        return self._beside

    def log_within(self, connection: Any) -> tuple[int, ReadRecords]:
        """The transaction of the job holds the lock of the file."""
        head, _ = connection.execute(STATEMENTS["read_head"]).fetchone()
        return head, partial(read_within, connection, head)

    def hook(self, hook: AppendHook | None) -> None:
        """From the next batch that begins."""
        self._hook = hook
        if self._threads:
            self._threads.writer.post(partial(self._threads.file.writer.hook, hook))

    async def read(
        self,
        selection: Selection,
        *,
        after: int = 0,
        until: int | None = None,
        limit: int,
        backwards: bool = False,
    ) -> Sequence[Record]:
        """A page of the log."""
        span = Range.of(after, until, limit, backwards=backwards)
        return await self._ask(lambda connection: read_page(connection, selection, span))

    async def read_stream(
        self,
        stream: str,
        *,
        after: int = 0,
        until: int | None = None,
        limit: int,
        backwards: bool = False,
        bare: bool = False,
    ) -> Sequence[Record]:
        """A page of a stream."""
        span = Range.of(after, until, limit, backwards=backwards)
        read = read_bare_stream if bare and not backwards else read_stream
        return await self._ask(lambda connection: read(connection, stream, span))

    async def wait(self, beyond: int, timeout: float | None = None) -> int:
        """Woken at once by commits of this process, and within milliseconds by those of others."""
        self._opened()
        watch = self._watch
        deadline = watch.deadline(timeout)
        self._look()
        in_time = True
        while in_time and watch.head <= beyond:
            if not self._poller or self._poller.done():
                self._poller = asyncio.create_task(self._poll(), name="everfold-sqlite-poll")
            in_time = await watch.change(deadline)
            self._opened()
            if watch.head <= beyond:
                self._look()
        return watch.head

    async def _poll(self) -> None:
        while self._watch.is_watched:
            await asyncio.sleep(POLL_SECONDS)
            try:
                self._look()
            except StoreError:  # those who wait look for themselves and get the error
                self._watch.wake_all()

    def _look(self) -> None:
        """Read the head: some microseconds, from shared memory and a cached page, so it needs no thread."""
        try:
            (head, _) = self._opened().file.lookout.execute(STATEMENTS["read_head"]).fetchone()
        except sqlite3.Error as error:
            if not is_busy(error):
                raise translate(error, self.path) from error
        else:
            self._watch.announce(head)

    async def snapshot(self, stream: str) -> Snapshot | None:
        """The newest snapshot of the stream."""
        return await self._ask(lambda connection: read_snapshot(connection, stream))

    async def reply(self, key: str) -> StoredReply | None:
        """The reply stored under the key."""
        return await self._ask(lambda connection: read_reply(connection, key))

    async def checkpoint(self, name: str) -> int:
        """The consumer's position."""
        return await self._ask(lambda connection: read_checkpoint(connection, name))

    async def replies(self, *, after: str = "", limit: int) -> Sequence[StoredReply]:
        """Replies by key."""
        return await self._ask(lambda connection: read_replies(connection, after, limit))

    async def checkpoints(self) -> Sequence[Checkpoint]:
        """Every consumer's position."""
        return await self._ask(read_checkpoints)

    async def streams(self, *, prefix: str = "", after: str = "", limit: int) -> Sequence[StreamInfo]:
        """Streams by name; each found by one step through an index."""
        return await self._ask(lambda connection: read_streams(connection, prefix, after, limit))

    async def record(self, id: str) -> Record | None:
        """The record with this id, by the index on ids."""
        return await self._ask(lambda connection: read_record(connection, id))

    async def verify(self, *, after: int, limit: int) -> Verified:
        """Recompute the checksums of a span."""
        span = Range.of(after, None, limit, backwards=False)
        return await self._ask(lambda connection: verify_records(connection, span))

    async def _ask(self, job: Callable[[sqlite3.Connection], T]) -> T:
        readers = self._opened().readers
        with translated(self.path):
            return await readers.do(job)

    def _opened(self) -> FileThreads[StoreFile]:
        if not self._threads:
            raise StoreClosed(f"The store {self.path} is not open. Use it inside `async with app`.")
        return self._threads
