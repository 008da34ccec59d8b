"""Pages of the log: which part is asked for, and records made of rows. Used by the readers of the SQL engines."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from heapq import merge
from itertools import islice
from operator import attrgetter
from typing import Any

import msgspec

from everfold.errors import StoreCorrupt
from everfold.log.record import Record

__all__ = ["END", "Range", "merged", "records_of"]

END = 2**63 - 1
_decode_tags = msgspec.json.Decoder(tuple[str, ...]).decode
_by_position = attrgetter("position")


class Range(msgspec.Struct, frozen=True):
    """Which part of the log or stream, how much of it, and in which direction."""

    after: int
    until: int
    limit: int
    backwards: bool

    @classmethod
    def of(cls, after: int, until: int | None, limit: int, *, backwards: bool) -> Range:
        """The range that was asked for, within what the databases can count."""
        last = END if until is None else until
        return cls(min(max(after, 0), END), min(max(last, 0), END), min(max(limit, 0), END), backwards)

    @property
    def direction(self) -> str:
        """The ending of the statement's name."""
        return "backwards" if self.backwards else "forwards"


def merged(pages: Sequence[Sequence[Record]], span: Range) -> list[Record]:
    """One page of several that were read from one view of the log: in order, nothing twice."""
    in_order = merge(*pages, key=_by_position, reverse=span.backwards)
    return list(islice(_without_repeats(in_order), span.limit))


def _without_repeats(records: Iterable[Record]) -> Iterable[Record]:
    last = -1
    for record in records:
        if record.position != last:
            last = record.position
            yield record


def records_of(rows: Iterable[tuple[Any, ...]]) -> list[Record]:
    """The records of rows of the table ``events``, all columns but the checksum."""
    # The columns come in the order of Record's fields; only tags need decoding, and few records have any.
    return [
        Record(
            position,
            stream,
            version,
            type,
            schema_version,
            id,
            recorded,
            data,
            metadata,
            () if tags is None else _tags_of(position, tags),
        )
        for position, stream, version, type, schema_version, id, recorded, data, metadata, tags in rows
    ]


def _tags_of(position: int, tags: Any) -> tuple[str, ...]:
    try:
        return _decode_tags(tags)
    except (msgspec.DecodeError, TypeError) as error:
        raise StoreCorrupt(
            f"The tags stored at position {position} are damaged ({error}). Restore a backup.", position=position
        ) from error
