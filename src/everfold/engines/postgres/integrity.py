"""Recomputes what was stored: checksums, contiguous positions and versions. Used by ``doctor`` through the engine."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from everfold.engines.pages import Range, records_of
from everfold.engines.postgres.connection import HeldConnection
from everfold.engines.postgres.reader import Reader, one_view
from everfold.engines.postgres.restoring import checksum_of
from everfold.errors import StoreCorrupt
from everfold.log.integrity import Damage, Verified

__all__ = ["verify_records"]

_Row = tuple[Any, ...]


def verify_records(reader: Reader, span: Range, connection: HeldConnection) -> Verified:
    """Check a span of the log; its end and what is wrong in it."""
    with one_view(connection):
        head = reader.head(connection)
        rows: list[_Row] = reader.execute(connection, "read_checksums", after=span.after, limit=span.limit).fetchall()
        end = rows[-1][0] if rows else span.after
        misplaced = reader.execute(connection, "misplaced", after=span.after, until=end).fetchall()
    found: dict[int, Damage] = {}
    for damage in (*_damages(rows, span.after, head), *(Damage(*row) for row in misplaced)):
        found.setdefault(damage.position, damage)
    return Verified(end, tuple(found[position] for position in sorted(found)))


def _damages(rows: list[_Row], after: int, head: int) -> Iterator[Damage]:
    expected = after
    for row in rows:
        position = row[0]
        if position != expected + 1:
            yield Damage(expected + 1, f"the positions {expected + 1} to {position - 1} are missing.")
        expected = position
        if not _is_sound(row):
            yield Damage(position, "the stored bytes do not match their checksum.")
    if not rows and head > after:
        yield Damage(after + 1, f"the newest records are missing: the log had {head:,}.")


def _is_sound(row: _Row) -> bool:
    *columns, checksum = row
    try:
        (record,) = records_of([tuple(columns)])
    except StoreCorrupt:
        return False
    return checksum_of(record, columns[-1]) == int(checksum)
