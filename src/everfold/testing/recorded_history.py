"""Events of a test as records, as the store would have recorded them. Used by the tests of projections."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from datetime import datetime

from everfold.clock import SystemClock, to_micros
from everfold.codec.metadata import encode_metadata
from everfold.codec.pipeline import Codec
from everfold.codec.upcaster import Merger, Upcaster
from everfold.errors import DefinitionError
from everfold.identifiers import IdSource, check_stream
from everfold.log.record import EMPTY_METADATA, Metadata, Record
from everfold.testing.frozen_clock import START

__all__ = ["RecordedHistory"]


class RecordedHistory:
    """A log that grows: it gives positions, versions and times, and encodes as the store does."""

    def __init__(self, events: Sequence[type], upcasters: Sequence[Upcaster | Merger] = ()) -> None:
        self.records: list[Record] = []
        self._new_id = IdSource(SystemClock().micros).next
        self._upcasters = upcasters
        self._versions: Counter[str] = Counter()
        self._recorded = to_micros(START)
        self._know(events)

    def _know(self, events: Sequence[type]) -> None:
        self._events = tuple(events)
        self.codec = Codec(self._events, upcasters=self._upcasters, new_id=self._new_id)

    def add(
        self, stream: str, events: Sequence[object], *, at: datetime | None = None, metadata: Metadata | None = None
    ) -> list[Record]:
        """The records of these events, written at the end of the stream by one append."""
        check_stream(stream)
        unknown = {type(event): None for event in events if type(event) not in self.codec.registry.by_class}
        if unknown:
            self._know((*self._events, *unknown))
        recorded = self._time(at)
        metadata_json = encode_metadata(metadata) if metadata else EMPTY_METADATA
        return [self._add(stream, event, recorded, metadata_json) for event in events]

    def _time(self, at: datetime | None) -> int:
        recorded = self._recorded if at is None else to_micros(at)
        if self.records and recorded < self.records[-1].recorded:
            raise DefinitionError(f"at={at}: something was recorded later than that before. Times never go back.")
        self._recorded = recorded
        return recorded

    def _add(self, stream: str, event: object, recorded: int, metadata_json: str) -> Record:
        new = self.codec.encode(event, metadata_json)
        self._versions[stream] += 1
        place = self.records[-1].position + 1 if self.records else 1
        record = Record(
            place,
            stream,
            self._versions[stream],
            new.type,
            new.schema_version,
            new.id,
            recorded,
            new.data,
            new.metadata_json,
            new.tags,
        )
        self.records.append(record)
        return record

    def add_record(self, record: Record) -> None:
        """A record as it is; its position must be beyond those before."""
        if self.records and record.position <= self.records[-1].position:
            raise DefinitionError(
                f"The record at position {record.position} comes behind one at {self.records[-1].position}. Give "
                "records in the order of their positions, and before events."
            )
        self._versions[record.stream] = record.version
        self._recorded = max(self._recorded, record.recorded)
        self.records.append(record)
