"""A record as JSON, the same for every face: the command line, the HTTP API, what it sends live."""

from __future__ import annotations

from datetime import datetime

import msgspec

from everfold.log.record import Record

__all__ = ["RecordJson", "record_json"]


class RecordJson(msgspec.Struct, frozen=True):
    """The JSON shape of a record. Stable: fields are only ever added."""

    position: int
    """Place in the whole log."""
    stream: str
    version: int
    """Place in the stream."""
    type: str
    schema_version: int
    id: str
    time: datetime
    data: msgspec.Raw
    """The fields of the event, as they are stored."""
    metadata: msgspec.Raw
    """Who and what caused it."""
    tags: tuple[str, ...]


def record_json(record: Record) -> RecordJson:
    """The record as a JSON object on one line."""
    return RecordJson(
        record.position,
        record.stream,
        record.version,
        record.type,
        record.schema_version,
        record.id,
        record.time,
        _one_line(record.data),
        _one_line(record.metadata_json),
        record.tags,
    )


def _one_line(text: str) -> msgspec.Raw:
    return msgspec.Raw(msgspec.json.format(text, indent=-1) if "\n" in text or "\r" in text else text)
