"""A batch of writes as one call of ``append_1``, and what became of each. Used by the writer."""

from __future__ import annotations

import zlib
from collections.abc import Iterator, Mapping, Sequence

import msgspec

from everfold.engines.conflicts import outdated, stale
from everfold.engines.pages import END
from everfold.engines.postgres.literals import numbers, texts
from everfold.engines.postgres.rivals import Conditions
from everfold.log.idempotency import StoredReply
from everfold.log.record import NewRecord, Record
from everfold.log.write import Appended, Outcome, Repeated, StreamAppend, Write

__all__ = ["Batch", "Verdicts", "content_checksum", "place_checksum"]

_encode = msgspec.json.encode
_PRIME = 4_294_967_291


class Verdicts(msgspec.Struct, frozen=True):
    """What ``append_1`` answered."""

    recorded: int
    firsts: Sequence[int | None]
    """The first position of each write; None: it was refused."""
    versions: Sequence[int]
    """The version that each part reached."""
    refusals: Mapping[int, tuple[str, ...]]
    """Why, by the number of the write (from 1)."""
    newer_streams: Sequence[str]

    @classmethod
    def of(cls, recorded: str, firsts: str, versions: str, refusals: str, newer_streams: str) -> Verdicts:
        """From the texts of the answer's columns."""
        refused = [tuple(refusal.split(":")) for refusal in refusals.split(",")] if refusals else []
        return cls(
            int(recorded),
            [int(first) if first else None for first in firsts.split(",")],
            [int(version) for version in versions.split(",")] if versions else [],
            {int(number): why for number, *why in refused},  # type: ignore[misc]
            msgspec.json.decode(newer_streams, type=list[str]),
        )


class Batch:
    """The writes of one batch, as columns."""

    def __init__(self, writes: Sequence[Write]) -> None:
        self.writes = writes
        self._streams: dict[str, int] = {}
        self._keys: dict[str, int] = {}
        self._last_parts: list[int] = []
        self._parts: list[tuple[int, int, int]] = []
        self._part_of: list[int] = []
        self._records: list[tuple[str, NewRecord]] = []
        for write in writes:
            for part in write.appends:
                self._add(part)
            self._last_parts.append(len(self._parts))
        self._conditions = Conditions(writes) if any(write.condition for write in writes) else None

    def _add(self, part: StreamAppend) -> None:
        number = self._streams.setdefault(part.stream, len(self._streams) + 1)
        expected = -1 if part.expected is None else part.expected if 0 <= part.expected < END else END  # of no stream
        self._parts.append((number, expected, len(part.records)))
        if part.records:
            self._part_of.extend([len(self._parts)] * len(part.records))
            self._records.extend([(part.stream, record) for record in part.records])

    # --- as SQL

    def arguments(self, now: int) -> str:
        """What ``append_1`` is called with; ``now``: microseconds since 1970 UTC. Raises Unstorable."""
        return ",".join([str(now), *self._columns(), *(f"{name} => {value}" for name, value in self._beside())])

    def _columns(self) -> Iterator[str]:
        yield numbers(self._last_parts)
        yield texts(list(self._streams))
        yield numbers([stream for stream, _, _ in self._parts])
        yield numbers([expected for _, expected, _ in self._parts])
        yield numbers([size for _, _, size in self._parts])
        yield numbers(self._part_of)
        records = [record for _, record in self._records]
        tags = [_encode(record.tags).decode() if record.tags else "" for record in records]
        yield texts([record.type for record in records])
        yield numbers([record.schema_version for record in records])
        yield texts([record.id for record in records])
        yield texts([record.data for record in records])
        yield texts([record.metadata_json for record in records])
        yield texts(tags)
        yield numbers(
            [
                content_checksum(stream, record, tag or None)
                for (stream, record), tag in zip(self._records, tags, strict=True)
            ]
        )

    def _beside(self) -> Iterator[tuple[str, str]]:
        """What only few batches have."""
        tags = [
            (tag, number) for number, (_, r) in enumerate(self._records, 1) if r.tags for tag in dict.fromkeys(r.tags)
        ]
        if tags:
            yield "tag_names", texts([tag for tag, _ in tags])
            yield "tag_of", numbers([number for _, number in tags])
        if self._conditions:
            yield from self._conditions.arguments()
        if any(write.repeatable for write in self.writes):
            yield from self._replies()
        yield from self._checkpoints_and_snapshots()

    def _replies(self) -> Iterator[tuple[str, str]]:
        again = [(number, write.repeatable) for number, write in enumerate(self.writes, 1) if write.repeatable]
        for _, repeatable in again:
            self._keys.setdefault(repeatable.key, len(self._keys) + 1)
        yield "keys", texts(list(self._keys))
        yield "key_of", numbers([self._keys[w.repeatable.key] if w.repeatable else 0 for w in self.writes])
        yield "reply_of", numbers([number for number, _ in again])
        yield "fingerprints", texts([repeatable.fingerprint for _, repeatable in again])
        yield "replies", texts([repeatable.reply for _, repeatable in again])

    def _checkpoints_and_snapshots(self) -> Iterator[tuple[str, str]]:
        checkpoints = [(n, checkpoint) for n, write in enumerate(self.writes, 1) for checkpoint in write.checkpoints]
        if checkpoints:
            yield "checkpoint_of", numbers([number for number, _ in checkpoints])
            yield "checkpoint_names", texts([checkpoint.name for _, checkpoint in checkpoints])
            yield "checkpoint_positions", numbers([checkpoint.position for _, checkpoint in checkpoints])
        snapshots = [(number, snapshot) for number, write in enumerate(self.writes, 1) for snapshot in write.snapshots]
        if snapshots:
            yield "snapshot_of", numbers([number for number, _ in snapshots])
            yield "snapshot_streams", texts([snapshot.stream for _, snapshot in snapshots])
            yield "snapshot_versions", numbers([snapshot.version for _, snapshot in snapshots])
            yield "snapshot_fingerprints", texts([snapshot.fingerprint for _, snapshot in snapshots])
            yield "snapshot_states", texts([snapshot.state for _, snapshot in snapshots])

    # --- what became of it

    def repeated_keys(self, verdicts: Verdicts) -> list[str]:
        """The keys whose replies have to be looked up."""
        found = [self.writes[number - 1].repeatable for number, why in verdicts.refusals.items() if why[0] == "r"]
        return [repeatable.key for repeatable in found if repeatable]

    def outcomes(self, verdicts: Verdicts, replies: Mapping[str, StoredReply]) -> list[Outcome]:
        """One for each write."""
        newer_streams = iter(verdicts.newer_streams)
        outcomes: list[Outcome] = []
        first_part = 0
        for number, (write, first) in enumerate(zip(self.writes, verdicts.firsts, strict=True), 1):
            last_part = self._last_parts[number - 1]
            if first is None:
                outcomes.append(self._refused(write, verdicts.refusals[number], first_part, newer_streams, replies))
            else:
                size = sum([size for _, _, size in self._parts[first_part:last_part]])
                versions = tuple(verdicts.versions[first_part:last_part])
                outcomes.append(Appended(first, first + size - 1, verdicts.recorded, versions))
            first_part = last_part
        return outcomes

    def _refused(
        self,
        write: Write,
        why: tuple[str, ...],
        first_part: int,
        newer_streams: Iterator[str],
        replies: Mapping[str, StoredReply],
    ) -> Outcome:
        kind, *facts = why
        if kind == "r" and write.repeatable:
            return Repeated(replies[write.repeatable.key])
        if kind == "v":
            return stale(write.appends[int(facts[0]) - first_part - 1], int(facts[1]))
        position, *rival = map(int, facts)
        return outdated(position, self._records[rival[0] - 1][0] if rival else next(newer_streams))

    def records(self, verdicts: Verdicts) -> list[Record]:
        """The records that were stored, as they will be read."""
        found: list[Record] = []
        parts = iter(zip(self._parts, verdicts.versions, strict=True))
        for write, first in zip(self.writes, verdicts.firsts, strict=True):
            position = 0 if first is None else first
            for append in write.appends:
                (_, _, size), version = next(parts)
                if first is None:
                    continue
                for place, new in enumerate(append.records):
                    found.append(_record(new, position, append.stream, version - size + place + 1, verdicts.recorded))
                    position += 1
        return found


def _record(new: NewRecord, position: int, stream: str, version: int, recorded: int) -> Record:
    return Record(
        position,
        stream,
        version,
        new.type,
        new.schema_version,
        new.id,
        recorded,
        new.data,
        new.metadata_json,
        new.tags,
    )


def content_checksum(stream: str, record: NewRecord | Record, tags_json: str | None) -> int:
    """CRC-32 of what a record says, which is known before its place is."""
    text = (
        f"{stream}\0{record.type}\0{record.schema_version}\0{record.id}\0"
        f"{record.data}\0{record.metadata_json}\0{tags_json}"
    )
    return zlib.crc32(text.encode("utf-8", "surrogatepass"))


def place_checksum(position: int, version: int, recorded: int) -> int:
    """A number that changes with any single bit of these: by no power of two times 3, 5 or 7 is the prime divided."""
    return (position % _PRIME * 3 + version % _PRIME * 5 + recorded % _PRIME * 7) % _PRIME
