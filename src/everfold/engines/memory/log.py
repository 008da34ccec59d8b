"""What the memory engine holds: a list of records and what is kept beside it. Judges and stores one write at a time."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import msgspec

from everfold.engines.conflicts import outdated, stale
from everfold.engines.continuation import check_continues
from everfold.errors import StoreError
from everfold.log.checkpoint import Checkpoint
from everfold.log.condition import Condition
from everfold.log.idempotency import StoredReply
from everfold.log.record import Record
from everfold.log.snapshot import Snapshot
from everfold.log.write import Appended, Conflicted, Failed, Outcome, Repeated, StreamAppend, Write

__all__ = ["MemoryLog"]


class MemoryLog:
    """Positions are indexes of ``records`` plus one, versions those of a stream's list."""

    def __init__(self) -> None:
        self.records: list[Record] = []
        self.streams: dict[str, list[Record]] = {}
        self.replies: dict[str, StoredReply] = {}
        self.checkpoints: dict[str, int] = {}
        self.snapshots: dict[str, Snapshot] = {}
        self.recorded = 0
        """The time of the newest record, and of those to come until the clock moves on."""
        self._ids: set[str] = set()

    def version(self, stream: str) -> int:
        """How long the stream is."""
        return len(self.streams.get(stream, ()))

    def judge(self, write: Write) -> Outcome | None:
        """What speaks against the write, if anything. Changes nothing."""
        if write.repeatable and (stored := self.replies.get(write.repeatable.key)):
            return Repeated(stored)
        if write.condition and (conflict := self._judge_condition(write.condition)):
            return conflict
        if stale := self._judge_versions(write.appends):
            return stale
        try:
            self._check_ids([record.id for part in write.appends for record in part.records])
        except StoreError as error:
            return Failed(error)
        return None

    def _check_ids(self, ids: Sequence[str]) -> None:
        seen: set[str] = set()
        for id in ids:
            if id in seen or id in self._ids:
                raise StoreError(f"The event id {id} is stored already. Nothing was stored; ids must be unique.")
            seen.add(id)

    def _judge_versions(self, appends: Sequence[StreamAppend]) -> Conflicted | None:
        versions: dict[str, int] = {}
        for part in appends:
            version = versions.get(part.stream, self.version(part.stream))
            if part.expected is not None and part.expected != version:
                return stale(part, version)
            versions[part.stream] = version + len(part.records)
        return None

    def _judge_condition(self, condition: Condition) -> Conflicted | None:
        for record in self.records[max(condition.after, 0) :]:
            if condition.selection.matches(record):
                return outdated(record.position, record.stream)
        return None

    def store(self, write: Write) -> Appended:
        """Store a write that nothing speaks against."""
        first = len(self.records) + 1
        versions = tuple(self._store_part(part) for part in write.appends)
        last = len(self.records)
        for checkpoint in write.checkpoints:
            self.checkpoints[checkpoint.name] = checkpoint.position
        for snapshot in write.snapshots:
            kept = msgspec.structs.replace(snapshot, position=last, taken=self.recorded)
            self.snapshots[snapshot.stream] = kept
        if again := write.repeatable:
            stored = StoredReply(again.key, again.fingerprint, again.reply, first, last, self.recorded)
            self.replies[again.key] = stored
        return Appended(first, last, self.recorded, versions)

    def _store_part(self, part: StreamAppend) -> int:
        version = self.version(part.stream)
        for new in part.records:
            version += 1
            self._add(
                Record(
                    len(self.records) + 1,
                    part.stream,
                    version,
                    new.type,
                    new.schema_version,
                    new.id,
                    self.recorded,
                    new.data,
                    new.metadata_json,
                    new.tags,
                )
            )
        return version

    def _add(self, record: Record) -> None:
        self.records.append(record)
        self.streams.setdefault(record.stream, []).append(record)
        self._ids.add(record.id)

    def restore(
        self, records: Sequence[Record], replies: Sequence[StoredReply], checkpoints: Sequence[Checkpoint]
    ) -> None:
        """Store records that continue the log, as they are."""
        recorded = self.records[-1].recorded if self.records else 0
        check_continues(records, head=len(self.records), recorded=recorded, version=self.version)
        self._check_ids([record.id for record in records])
        keys = [reply.key for reply in replies]
        if len(set(keys)) < len(keys) or not self.replies.keys().isdisjoint(keys):
            raise StoreError("One of the replies is stored already. Nothing was stored.")
        for record in records:
            self._add(record)
            self.recorded = max(self.recorded, record.recorded)
        self.replies.update(zip(keys, replies, strict=True))
        self.checkpoints.update((checkpoint.name, checkpoint.position) for checkpoint in checkpoints)

    def undoing(self) -> Callable[[], None]:
        """What brings everything back to how it is now."""
        head, recorded = len(self.records), self.recorded
        kept = dict(self.replies), dict(self.checkpoints), dict(self.snapshots)

        def undo() -> None:
            while len(self.records) > head:
                record = self.records.pop()
                self.streams[record.stream].pop()
                if not self.streams[record.stream]:
                    del self.streams[record.stream]
                self._ids.remove(record.id)
            self.recorded = recorded
            self.replies, self.checkpoints, self.snapshots = kept

        return undo
