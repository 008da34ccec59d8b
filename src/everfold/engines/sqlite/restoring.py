"""Rows for records that exist already, with their positions, versions and times. Used by the writer to restore."""

from __future__ import annotations

from typing import Any

import msgspec

from everfold.log.record import Record, checksum

__all__ = ["row_of"]

_encode = msgspec.json.encode


def row_of(record: Record) -> tuple[Any, ...]:
    """The row of this record, its checksum computed anew."""
    columns = (
        record.position,
        record.stream,
        record.version,
        record.type,
        record.schema_version,
        record.id,
        record.recorded,
        record.data,
        record.metadata_json,
        _encode(record.tags).decode() if record.tags else None,
    )
    return (*columns, checksum(*columns))
