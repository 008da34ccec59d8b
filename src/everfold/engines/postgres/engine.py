"""The PostgreSQL engine: one connection that writes, one for views, a few that read. Implements ``log.engine``."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from functools import partial
from typing import Any, TypeVar

from everfold.clock import Clock, SystemClock
from everfold.engines.head_watch import HeadWatch
from everfold.engines.pages import Range
from everfold.engines.postgres.integrity import verify_records
from everfold.engines.postgres.listener import Listener
from everfold.engines.postgres.open_store import OpenStore, open_store
from everfold.engines.postgres.read_database import Beside, Views
from everfold.engines.postgres.store_url import StoreUrl
from everfold.errors import StoreClosed
from everfold.log.catalogue import StreamInfo
from everfold.log.checkpoint import Checkpoint
from everfold.log.idempotency import StoredReply
from everfold.log.integrity import Verified
from everfold.log.read_database import AppendHook, ReadDatabase, ReadRecords
from everfold.log.record import Record
from everfold.log.selection import Selection
from everfold.log.snapshot import Snapshot
from everfold.log.write import Outcome, Write

__all__ = ["PostgresEngine"]

T = TypeVar("T")


class PostgresEngine:
    """A log in one schema of a PostgreSQL database, which any number of processes share.

    ``url``: ``postgresql://user@host/database?schema=bank``. ``lock_timeout``: seconds to wait for others that write.
    ``readers``: how many connections read; two more write. ``name``: the application's, whose schema is meant
    when the URL names none.
    """

    def __init__(
        self,
        url: str,
        *,
        name: str | None = None,
        clock: Clock | None = None,
        lock_timeout: float = 30.0,
        readers: int = 4,
    ) -> None:
        self.url = StoreUrl.parse(url, name=name)
        self._clock = clock or SystemClock()
        self._lock_timeout = lock_timeout
        self._reader_count = readers
        self._life_cycle = asyncio.Lock()
        self._watch = HeadWatch()
        self._listener: Listener | None = None
        self._store: OpenStore | None = None
        self._hook: AppendHook | None = None
        self._views = Views(self._opened)
        self._beside = Beside(self._opened)

    async def open(self) -> None:
        """Connect, and create or upgrade the schema; see ``log.engine`` and ``schema`` for what is refused."""
        async with self._life_cycle:
            if self._store:
                return
            store = await open_store(
                self.url, clock=self._clock, lock_timeout=self._lock_timeout, readers=self._reader_count
            )
            store.writer.hook(self._hook)
            self._watch = HeadWatch()
            self._store = store

    async def close(self) -> None:
        """Finish the batches and pages under way, stop the threads, close the connections."""
        async with self._life_cycle:
            store, self._store = self._store, None
            if not store:
                return
            self._watch.wake_all()
            listener, self._listener = self._listener, None
            if listener:
                await asyncio.to_thread(listener.close)
            await store.close()

    async def append(self, writes: Sequence[Write]) -> Sequence[Outcome]:
        """One durable commit for all of them; one hop to the writer thread, one round trip to the server."""
        store = self._opened()
        if not writes:
            return []
        outcomes = await store.writer_thread.do(lambda: store.writer.append(writes))
        self._watch.announce(store.writer.head)
        return outcomes

    async def restore(
        self,
        records: Sequence[Record],
        *,
        replies: Sequence[StoredReply] = (),
        checkpoints: Sequence[Checkpoint] = (),
    ) -> None:
        """One durable commit, in the writer thread too."""
        store = self._opened()
        await store.writer_thread.do(lambda: store.writer.restore(records, replies, checkpoints))
        self._watch.announce(store.writer.head)

    @property
    def views(self) -> ReadDatabase:
        """The log's schema; what is written there is synced a moment after the commit."""
        return self._views

    @property
    def beside(self) -> ReadDatabase:
        """The log's schema, under the log's lock."""
        return self._beside

    def log_within(self, connection: Any) -> tuple[int, ReadRecords]:
        """The transaction of the job holds the lock of the head."""
        reader = self._opened().reader
        head = reader.head(connection)
        return head, reader.within(connection, head)

    def hook(self, hook: AppendHook | None) -> None:
        """From the next batch that begins."""
        self._hook = hook
        if self._store:
            self._store.writer_thread.post(partial(self._store.writer.hook, hook))

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
        store = self._opened()
        return await store.ask(partial(store.reader.page, selection, span))

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
        store = self._opened()
        if bare and not backwards:
            return await store.loads.load(stream, span)
        return await store.ask(partial(store.reader.stream, stream, span))

    async def wait(self, beyond: int, timeout: float | None = None) -> int:
        """Woken at once by commits of this process, and by those of others as soon as the server tells of them."""
        store = self._opened()
        watch = self._watch
        deadline = watch.deadline(timeout)
        if beyond < 0 or watch.head <= beyond:
            watch.announce(await store.ask(store.reader.head))
        in_time = True
        while in_time and watch.head <= beyond:
            self._opened()
            self._listen(store)
            in_time = await watch.change(deadline)
        self._opened()
        return watch.head

    def _listen(self, store: OpenStore) -> None:
        if self._listener is None:
            loop, watch = asyncio.get_running_loop(), self._watch
            self._listener = Listener(store.listening, store.reader, store.channel, partial(_tell, loop, watch))

    async def snapshot(self, stream: str) -> Snapshot | None:
        """The newest snapshot of the stream."""
        store = self._opened()
        return await store.ask(partial(store.reader.snapshot, stream))

    async def reply(self, key: str) -> StoredReply | None:
        """The reply stored under the key: who is told of it takes it for an acknowledgement."""
        store = self._opened()
        if found := await store.ask(partial(store.reader.reply, key)):
            await store.writer_thread.do(store.writer.confirm)
        return found

    async def checkpoint(self, name: str) -> int:
        """The consumer's position."""
        store = self._opened()
        return await store.ask(partial(store.reader.checkpoint, name))

    async def replies(self, *, after: str = "", limit: int) -> Sequence[StoredReply]:
        """Replies by key."""
        store = self._opened()
        return await store.ask(partial(store.reader.replies, after, limit))

    async def checkpoints(self) -> Sequence[Checkpoint]:
        """Every consumer's position."""
        store = self._opened()
        return await store.ask(store.reader.checkpoints)

    async def streams(self, *, prefix: str = "", after: str = "", limit: int) -> Sequence[StreamInfo]:
        """Streams by name; each found by one step through an index."""
        store = self._opened()
        return await store.ask(partial(store.reader.streams, prefix, after, limit))

    async def record(self, id: str) -> Record | None:
        """The record with this id, by the index on ids."""
        store = self._opened()
        return await store.ask(partial(store.reader.record, id))

    async def verify(self, *, after: int, limit: int) -> Verified:
        """Recompute the checksums of a span."""
        store = self._opened()
        span = Range.of(after, None, limit, backwards=False)
        return await store.ask(partial(verify_records, store.reader, span))

    def _opened(self) -> OpenStore:
        if not self._store:
            raise StoreClosed(f"The store {self.url.shown} is not open. Use it inside `async with app`.")
        return self._store


def _tell(loop: asyncio.AbstractEventLoop, watch: HeadWatch, head: int) -> None:
    with suppress(RuntimeError):  # the loop was closed meanwhile: nobody waits any more
        loop.call_soon_threadsafe(watch.announce, head)
