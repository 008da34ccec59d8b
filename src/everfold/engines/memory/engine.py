"""The whole memory engine. It keeps every promise but durability; written to be read by engine authors."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import islice

import msgspec

from everfold.clock import Clock, SystemClock
from everfold.engines.head_watch import HeadWatch
from everfold.errors import StoreClosed, StoreError
from everfold.log.catalogue import StreamInfo
from everfold.log.condition import Condition
from everfold.log.idempotency import StoredReply
from everfold.log.integrity import Verified
from everfold.log.record import Record
from everfold.log.selection import Selection
from everfold.log.snapshot import Snapshot
from everfold.log.write import Appended, Conflicted, Failed, Outcome, Repeated, StreamAppend, Write

__all__ = ["MemoryEngine"]


class MemoryEngine:
    """A log in this process's memory. What it holds is gone with it: for tests, never for production."""

    def __init__(self, *, clock: Clock | None = None) -> None:
        self._clock = clock or SystemClock()
        self._open = False
        self._log: list[Record] = []
        self._streams: dict[str, list[Record]] = {}
        self._ids: set[str] = set()
        self._replies: dict[str, StoredReply] = {}
        self._checkpoints: dict[str, int] = {}
        self._snapshots: dict[str, Snapshot] = {}
        self._recorded = 0
        self._watch = HeadWatch()

    async def open(self) -> None:
        """Nothing to open: an engine object is its own storage, and keeps it when closed and opened again."""
        self._open = True

    async def close(self) -> None:
        """Refuse further work and wake those who wait."""
        self._open = False
        self._watch.wake_all()

    async def append(self, writes: Sequence[Write]) -> Sequence[Outcome]:
        """Judge and store each write in turn; nothing can interrupt it, so each one is atomic."""
        self._check_open()
        self._recorded = max(self._recorded, self._clock.micros())
        outcomes = [self._judge(write) or self._store(write) for write in writes]
        self._watch.announce(len(self._log))
        return outcomes

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
        span = self._log[max(after, 0) : None if until is None else max(until, 0)]
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
        span = self._streams.get(stream, [])[max(after, 0) : None if until is None else max(until, 0)]
        return _page(_ordered(span, backwards), limit)

    async def wait(self, beyond: int, timeout: float | None = None) -> int:
        """Wait for the list to grow."""
        self._check_open()
        deadline = self._watch.deadline(timeout)
        while len(self._log) <= beyond and await self._watch.change(deadline):
            self._check_open()
        return len(self._log)

    async def snapshot(self, stream: str) -> Snapshot | None:
        """The newest snapshot of the stream."""
        self._check_open()
        return self._snapshots.get(stream)

    async def reply(self, key: str) -> StoredReply | None:
        """The reply stored under the key."""
        self._check_open()
        return self._replies.get(key)

    async def checkpoint(self, name: str) -> int:
        """The consumer's position."""
        self._check_open()
        return self._checkpoints.get(name, 0)

    async def streams(self, *, prefix: str = "", after: str = "", limit: int) -> Sequence[StreamInfo]:
        """The streams in order of their names."""
        self._check_open()
        names = sorted(name for name in self._streams if name.startswith(prefix) and name > after)
        return [
            StreamInfo(name, len(self._streams[name]), self._streams[name][-1].position)
            for name in names[: max(limit, 0)]
        ]

    async def record(self, id: str) -> Record | None:
        """Found by looking at every record."""
        self._check_open()
        return next((record for record in self._log if record.id == id), None)

    async def verify(self, *, after: int, limit: int) -> Verified:
        """Nothing in memory can be damaged behind our back."""
        self._check_open()
        return Verified(max(after, min(len(self._log), after + limit)))

    def _check_open(self) -> None:
        if not self._open:
            raise StoreClosed("The memory store is not open. Use it inside `async with app`.")

    def _judge(self, write: Write) -> Outcome | None:
        """What speaks against the write, if anything. Changes nothing."""
        if write.repeatable and (stored := self._replies.get(write.repeatable.key)):
            return Repeated(stored)
        if write.condition and (conflict := self._judge_condition(write.condition)):
            return conflict
        if stale := self._judge_versions(write.appends):
            return stale
        ids: set[str] = set()
        for id in (record.id for part in write.appends for record in part.records):
            if id in ids or id in self._ids:
                return Failed(
                    StoreError(f"The event id {id} is stored already. Nothing was stored; ids must be unique.")
                )
            ids.add(id)
        return None

    def _judge_versions(self, appends: Sequence[StreamAppend]) -> Conflicted | None:
        versions: dict[str, int] = {}
        for part in appends:
            version = versions.get(part.stream, len(self._streams.get(part.stream, ())))
            if part.expected is not None and part.expected != version:
                return Conflicted(
                    f"The stream {part.stream!r} has version {version} and not the expected {part.expected}.",
                    stream=part.stream,
                    expected=part.expected,
                    actual=version,
                )
            versions[part.stream] = version + len(part.records)
        return None

    def _judge_condition(self, condition: Condition) -> Conflicted | None:
        for record in self._log[max(condition.after, 0) :]:
            if condition.selection.matches(record):
                return Conflicted(
                    f"The record at position {record.position} is newer than what was decided on.",
                    stream=record.stream,
                )
        return None

    def _store(self, write: Write) -> Outcome:
        first = len(self._log) + 1
        versions = tuple(self._store_part(part) for part in write.appends)
        last = len(self._log)
        for checkpoint in write.checkpoints:
            self._checkpoints[checkpoint.name] = checkpoint.position
        for snapshot in write.snapshots:
            kept = msgspec.structs.replace(snapshot, position=last, taken=self._recorded)
            self._snapshots[snapshot.stream] = kept
        if again := write.repeatable:
            stored = StoredReply(again.key, again.fingerprint, again.reply, first, last, self._recorded)
            self._replies[again.key] = stored
        return Appended(first, last, self._recorded, versions)

    def _store_part(self, part: StreamAppend) -> int:
        stream = self._streams.setdefault(part.stream, []) if part.records else self._streams.get(part.stream, [])
        for new in part.records:
            record = Record(
                len(self._log) + 1,
                part.stream,
                len(stream) + 1,
                new.type,
                new.schema_version,
                new.id,
                self._recorded,
                new.data,
                new.metadata_json,
                new.tags,
            )
            self._log.append(record)
            stream.append(record)
            self._ids.add(new.id)
        return len(stream)


def _ordered(span: list[Record], backwards: bool) -> Iterable[Record]:
    return reversed(span) if backwards else span


def _page(records: Iterable[Record], limit: int) -> list[Record]:
    return list(islice(records, max(limit, 0)))
