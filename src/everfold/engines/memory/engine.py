"""The memory engine. It keeps every promise but durability; written to be read by engine authors."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import partial
from itertools import islice
from typing import Any

from everfold.clock import Clock, SystemClock
from everfold.engines.head_watch import HeadWatch
from everfold.engines.memory.inline_rows import InlineRows, read_within
from everfold.engines.memory.log import MemoryLog
from everfold.engines.memory.read_database import MemoryReadDatabase
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

__all__ = ["MemoryEngine"]


class MemoryEngine:
    """A log in this process's memory. What it holds is gone with it: for tests, never for production."""

    def __init__(self, *, clock: Clock | None = None) -> None:
        self._clock = clock or SystemClock()
        self._open = False
        self._log = MemoryLog()
        self._database = MemoryReadDatabase()
        self._inline: InlineRows | None = None
        self._watch = HeadWatch()

    async def open(self) -> None:
        """Nothing to open: an engine object is its own storage, and keeps it when closed and opened again."""
        self._open = True
        self._database.open()

    async def close(self) -> None:
        """Refuse further work and wake those who wait."""
        self._open = False
        self._database.close()
        self._watch.wake_all()

    async def append(self, writes: Sequence[Write]) -> Sequence[Outcome]:
        """Judge and store each write in turn; nothing can interrupt it, so each one is atomic."""
        self._check_open()
        log = self._log
        log.recorded = max(log.recorded, self._clock.micros())
        if self._inline:
            outcomes = self._inline.append(writes)
        else:
            outcomes = [log.judge(write) or log.store(write) for write in writes]
        self._watch.announce(len(log.records))
        return outcomes

    async def restore(
        self,
        records: Sequence[Record],
        *,
        replies: Sequence[StoredReply] = (),
        checkpoints: Sequence[Checkpoint] = (),
    ) -> None:
        """Look at all of them first, then store."""
        self._check_open()
        (self._inline or self._log).restore(records, replies, checkpoints)
        self._watch.announce(len(self._log.records))

    @property
    def views(self) -> ReadDatabase:
        """The same as ``beside``: there is nothing here that could be lost alone."""
        return self._database

    @property
    def beside(self) -> ReadDatabase:
        """A SQLite database in memory."""
        return self._database

    def log_within(self, connection: Any) -> tuple[int, ReadRecords]:
        """The lock of the job's transaction keeps appends with a hook away."""
        head = len(self._log.records)
        return head, partial(read_within, self._log, head)

    def hook(self, hook: AppendHook | None) -> None:
        """Called in the event loop's thread, while no job is under way."""
        self._inline = InlineRows(hook, self._log, self._database) if hook else None

    async def read(
        self,
        selection: Selection,
        *,
        after: int = 0,
        until: int | None = None,
        limit: int,
        backwards: bool = False,
    ) -> Sequence[Record]:
        """A page of the log: positions are list indexes plus one."""
        self._check_open()
        span = self._log.records[max(after, 0) : None if until is None else max(until, 0)]
        return _page((record for record in _ordered(span, backwards) if selection.matches(record)), limit)

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
        """A page of a stream: versions are list indexes plus one."""
        self._check_open()
        span = self._log.streams.get(stream, [])[max(after, 0) : None if until is None else max(until, 0)]
        return _page(_ordered(span, backwards), limit)

    async def wait(self, beyond: int, timeout: float | None = None) -> int:
        """Wait for the list to grow."""
        self._check_open()
        deadline = self._watch.deadline(timeout)
        while len(self._log.records) <= beyond and await self._watch.change(deadline):
            self._check_open()
        return len(self._log.records)

    async def snapshot(self, stream: str) -> Snapshot | None:
        """The newest snapshot of the stream."""
        self._check_open()
        return self._log.snapshots.get(stream)

    async def reply(self, key: str) -> StoredReply | None:
        """The reply stored under the key."""
        self._check_open()
        return self._log.replies.get(key)

    async def checkpoint(self, name: str) -> int:
        """The consumer's position."""
        self._check_open()
        return self._log.checkpoints.get(name, 0)

    async def replies(self, *, after: str = "", limit: int) -> Sequence[StoredReply]:
        """The replies in order of their keys."""
        self._check_open()
        keys = sorted(key for key in self._log.replies if key > after)
        return [self._log.replies[key] for key in keys[: max(limit, 0)]]

    async def checkpoints(self) -> Sequence[Checkpoint]:
        """Every consumer's position."""
        self._check_open()
        return [Checkpoint(name, position) for name, position in sorted(self._log.checkpoints.items())]

    async def streams(self, *, prefix: str = "", after: str = "", limit: int) -> Sequence[StreamInfo]:
        """The streams in order of their names."""
        self._check_open()
        streams = self._log.streams
        names = sorted(name for name in streams if name.startswith(prefix) and name > after)
        return [StreamInfo(name, len(streams[name]), streams[name][-1].position) for name in names[: max(limit, 0)]]

    async def record(self, id: str) -> Record | None:
        """Found by looking at every record."""
        self._check_open()
        return next((record for record in self._log.records if record.id == id), None)

    async def verify(self, *, after: int, limit: int) -> Verified:
        """Nothing in memory can be damaged behind our back."""
        self._check_open()
        return Verified(max(after, min(len(self._log.records), after + limit)))

    def _check_open(self) -> None:
        if not self._open:
            raise StoreClosed("The memory store is not open. Use it inside `async with app`.")


def _ordered(span: list[Record], backwards: bool) -> Iterable[Record]:
    return reversed(span) if backwards else span


def _page(records: Iterable[Record], limit: int) -> list[Record]:
    return list(islice(records, max(limit, 0)))
