"""What a store was asked to keep, what it answered, and what it must therefore contain after each write."""

from collections.abc import Sequence

import msgspec

from everfold.log.idempotency import StoredReply
from everfold.log.record import Record
from everfold.log.snapshot import Snapshot
from everfold.log.write import Appended, Outcome, StreamAppend, Write

__all__ = ["Content", "History"]


class Content(msgspec.Struct, frozen=True):
    """All that a store tells its readers."""

    head: int = 0
    records: tuple[Record, ...] = ()
    tags: tuple[tuple[str, int], ...] = ()
    """Every tag with every position that carries it, as the index of tags has it; sorted."""
    replies: dict[str, StoredReply] = {}
    checkpoints: dict[str, int] = {}
    snapshots: dict[str, Snapshot] = {}

    def after(self, write: Write, outcome: Outcome) -> "Content":
        """The content once this write has been answered with this outcome: only ``Appended`` changes anything."""
        if not isinstance(outcome, Appended):
            return self
        records = _records(write.appends, outcome)
        tags = {(tag, record.position) for record in records for tag in record.tags}
        snapshots = (_kept(snapshot, outcome) for snapshot in write.snapshots)
        return Content(
            head=outcome.last,
            records=(*self.records, *records),
            tags=tuple(sorted({*self.tags, *tags})),
            replies=self.replies | _reply(write, outcome),
            checkpoints=self.checkpoints | {mark.name: mark.position for mark in write.checkpoints},
            snapshots=self.snapshots | {snapshot.stream: snapshot for snapshot in snapshots},
        )


def _records(appends: Sequence[StreamAppend], outcome: Appended) -> list[Record]:
    records: list[Record] = []
    for part, reached in zip(appends, outcome.versions, strict=True):
        for version, new in enumerate(part.records, start=reached - len(part.records) + 1):
            position = outcome.first + len(records)
            content = (new.type, new.schema_version, new.id, outcome.recorded, new.data, new.metadata_json, new.tags)
            records.append(Record(position, part.stream, version, *content))
    return records


def _reply(write: Write, outcome: Appended) -> dict[str, StoredReply]:
    if not (again := write.repeatable):
        return {}
    place = (outcome.first, outcome.last, outcome.recorded)
    return {again.key: StoredReply(again.key, again.fingerprint, again.reply, *place)}


def _kept(snapshot: Snapshot, outcome: Appended) -> Snapshot:
    return msgspec.structs.replace(snapshot, position=outcome.last, taken=outcome.recorded)


class History:
    """All writes of one recording in their order, with their outcomes."""

    def __init__(self) -> None:
        self.writes: list[Write] = []
        self.outcomes: list[Outcome] = []
        self.contents: list[Content] = [Content()]
        """``contents[n]``: what the store must contain once exactly the first n writes have been dealt with."""

    def add(self, writes: Sequence[Write], outcomes: Sequence[Outcome]) -> None:
        """These writes were answered so."""
        for write, outcome in zip(writes, outcomes, strict=True):
            self.writes.append(write)
            self.outcomes.append(outcome)
            self.contents.append(self.contents[-1].after(write, outcome))

    def ids_of(self, number: int) -> set[str]:
        """The record ids of a write."""
        return {record.id for part in self.writes[number].appends for record in part.records}

    @property
    def keys(self) -> set[str]:
        """Every idempotency key that was ever used."""
        return {write.repeatable.key for write in self.writes if write.repeatable}

    @property
    def consumers(self) -> set[str]:
        """The name of every checkpoint that was ever written."""
        return {mark.name for write in self.writes for mark in write.checkpoints}

    @property
    def snapshotted(self) -> set[str]:
        """Every stream that was ever given a snapshot."""
        return {snapshot.stream for write in self.writes for snapshot in write.snapshots}
