"""The codec: typed events to new records, records to typed events. Used by the store on every write and read."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

import msgspec

from everfold.codec.registry import DEFAULT_MAX_EVENT_BYTES, Registry
from everfold.codec.upcaster import Data, Merger, Shape, Upcaster
from everfold.codec.upcaster_chains import UpcasterChains
from everfold.errors import InvalidEvent, InvalidName, UndecodableRecord, UnknownEventType
from everfold.log.record import EMPTY_METADATA, NewRecord, Record

__all__ = ["Codec"]

_decode_data = msgspec.json.Decoder(dict[str, Any]).decode
_encode_data = msgspec.json.Encoder().encode


class Codec:
    """Encodes and decodes the events of one application."""

    def __init__(
        self,
        events: Iterable[type],
        *,
        upcasters: Sequence[Upcaster | Merger] = (),
        new_id: Callable[[], str],
        max_event_bytes: int = DEFAULT_MAX_EVENT_BYTES,
    ) -> None:
        """``events``: the classes to register; ``new_id`` makes event ids; ``max_event_bytes`` limits the JSON text."""
        self.registry = Registry(events, max_event_bytes=max_event_bytes)
        self.upcasters = UpcasterChains(upcasters, self.registry)
        self._new_id = new_id
        self._current: dict[tuple[str, int], Callable[[str], Any]] = {
            (event_type.name, event_type.version): event_type.format.decode for event_type in self.registry
        }

    def encode(self, event: object, metadata_json: str = EMPTY_METADATA, *, id: str | None = None) -> NewRecord:
        """The record to store; InvalidEvent when the event is not registered or cannot be stored."""
        return self.encode_and_read(event, metadata_json, id=id)[0]

    def encode_and_read(
        self, event: object, metadata_json: str = EMPTY_METADATA, *, id: str | None = None
    ) -> tuple[NewRecord, Any]:
        """The record to store, and the event as it will be read back: equal, and sharing nothing with the original."""
        event_type = self.registry.by_class.get(type(event))
        if event_type is None:
            raise InvalidEvent(
                type(event).__qualname__,
                "it is not registered. Evolve an aggregate by it, or give it to App(events=[...]).",
            )
        data, copy = event_type.format.encode(event)
        tags: tuple[str, ...] = ()
        if event_type.read_tags is not None:
            try:
                tags = event_type.read_tags(event)
            except InvalidName as error:
                raise InvalidEvent(event_type.name, str(error)) from error
        return NewRecord(event_type.name, event_type.version, id or self._new_id(), data, metadata_json, tags), copy

    def decode(self, record: Record) -> tuple[object, ...]:
        """The event of a record; of an old shape, what its upcasters make of it: usually one event."""
        decode = self._current.get((record.type, record.schema_version))
        if decode is None:
            return self._decode_old(record)
        try:
            return (decode(record.data),)
        except Exception as error:
            raise _undecodable(record, error) from error

    def pairs(self, records: Sequence[Record]) -> Iterator[tuple[object, Record]]:
        """Every event with its record, in order. The records must be neighbours, as read, for merging."""
        if self.upcasters.mergers:
            yield from self._merged(records)
            return
        current = self._current
        type, version, decode = "", 0, current.get(("", 0))
        for record in records:
            if record.type != type or record.schema_version != version:  # cheaper than a look-up per record
                type, version = record.type, record.schema_version
                decode = current.get((type, version))
            if decode is None:
                for event in self._decode_old(record):
                    yield event, record
                continue
            try:
                event = decode(record.data)
            except Exception as error:
                raise _undecodable(record, error) from error
            yield event, record

    def stored_types(self, events: Iterable[type]) -> tuple[str, ...]:
        """The names under which records are stored that may be read as these events; old names included."""
        names = frozenset([self.registry.by_class[event].name for event in events])
        return tuple(sorted(self.upcasters.sources(names)))

    def ends_in_merge(self, record: Record) -> bool:
        """Whether the record may be the first half of a merged pair, so that a page should not end with it."""
        return (record.type, record.schema_version) in self.upcasters.mergers

    def merges(self, first: Record, second: Record) -> bool:
        """Whether two neighbours are read as one pair."""
        merger = self.upcasters.mergers.get((first.type, first.schema_version))
        return merger is not None and _belong_together(merger, first, second)

    def _merged(self, records: Sequence[Record]) -> Iterator[tuple[object, Record]]:
        mergers = self.upcasters.mergers
        index = 0
        while index < len(records):
            record = records[index]
            partner = records[index + 1] if index + 1 < len(records) else None
            merger = mergers.get((record.type, record.schema_version))
            if merger and partner and _belong_together(merger, record, partner):
                events, record = self._decode_pair(merger, record, partner), partner
                index += 1
            else:
                events = self.decode(record)
            index += 1
            for event in events:
                yield event, record

    def _decode_pair(self, merger: Merger, first: Record, second: Record) -> tuple[object, ...]:
        one, two = _fields(first), _fields(second)
        try:
            return self._events(self.upcasters.merged(merger, one, two))
        except Exception as error:
            raise _undecodable(second, error) from error

    def _decode_old(self, record: Record) -> tuple[object, ...]:
        if not self.upcasters.knows(record.type, record.schema_version):
            raise self._unknown(record)
        shape = Shape(record.type, record.schema_version, _fields(record))
        try:
            return self._events(self.upcasters.latest(shape))
        except Exception as error:
            raise _undecodable(record, error) from error

    def _unknown(self, record: Record) -> UnknownEventType:
        error = UnknownEventType(record.type, record.schema_version, position=record.position, stream=record.stream)
        known = self.registry.by_name.get(record.type)
        if known is not None and record.schema_version > known.version:
            error.add_note(
                f"This program knows version {known.version}: newer code wrote the record. Upgrade the program."
            )
        return error

    def _events(self, shapes: Iterable[Shape]) -> tuple[object, ...]:
        """The events; through JSON, because text such as dates and decimals converts only in its own format."""
        return tuple(self._current[shape.type, shape.version](_encode_data(shape.data).decode()) for shape in shapes)


def _fields(record: Record) -> Data:
    try:
        return _decode_data(record.data)
    except Exception as error:
        raise _undecodable(record, error) from error


def _belong_together(merger: Merger, first: Record, second: Record) -> bool:
    """Whether one append wrote both: then they are neighbours of one moment and carry the same metadata."""
    return (
        merger.second == (second.type, second.schema_version)
        and first.stream == second.stream
        and first.position + 1 == second.position
        and first.recorded == second.recorded
        and first.metadata_json == second.metadata_json
    )


def _undecodable(record: Record, error: Exception) -> UndecodableRecord:
    return UndecodableRecord(
        record.type, record.schema_version, f"{error}.", position=record.position, stream=record.stream
    )
