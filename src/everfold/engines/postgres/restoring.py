"""Rows for records that exist already, with their positions, versions and times. Used by the writer to restore."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec

from everfold.engines.postgres.batch import content_checksum, place_checksum
from everfold.engines.postgres.connection import HeldConnection
from everfold.log.record import Record

__all__ = ["checksum_of", "copy_records", "copy_tags"]

_encode = msgspec.json.encode
_COLUMNS = "position, stream, version, type, schema_version, id, recorded, data, metadata, tags, checksum"


def copy_records(connection: HeldConnection, schema: str, records: Sequence[Record]) -> None:
    """Store the records as they are, in the transaction that is under way."""
    _copy(connection, f"COPY {schema}.events ({_COLUMNS}) FROM STDIN", map(_row, records))


def copy_tags(connection: HeldConnection, schema: str, records: Sequence[Record]) -> None:
    """Store which records have which tags."""
    rows = ((tag, record.position) for record in records for tag in dict.fromkeys(record.tags))
    _copy(connection, f"COPY {schema}.everfold_tags (tag, position) FROM STDIN", rows)


def _copy(connection: HeldConnection, statement: str, rows: Any) -> None:
    with connection.cursor() as cursor, cursor.copy(statement.encode()) as copy:
        for row in rows:
            copy.write_row(row)


def _row(record: Record) -> tuple[Any, ...]:
    tags = _encode(record.tags).decode() if record.tags else None
    return *msgspec.structs.astuple(record)[:-1], tags, checksum_of(record, tags)


def checksum_of(record: Record, tags_json: str | None) -> int:
    """What ``append_1`` stores beside the record."""
    place = place_checksum(record.position, record.version, record.recorded)
    return content_checksum(record.stream, record, tags_json) ^ place
