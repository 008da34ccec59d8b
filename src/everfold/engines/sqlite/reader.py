"""Reads pages of records from a connection. Used by the engine's readers and, inside a transaction, by the judge."""

from __future__ import annotations

import sqlite3
from collections.abc import Generator
from contextlib import contextmanager

import msgspec

from everfold.engines.pages import END, Range, merged, records_of
from everfold.engines.statements import load_statements
from everfold.log.catalogue import StreamInfo
from everfold.log.checkpoint import Checkpoint
from everfold.log.idempotency import StoredReply
from everfold.log.record import Record
from everfold.log.selection import Selection
from everfold.log.snapshot import Snapshot

__all__ = [
    "STATEMENTS",
    "read_bare_stream",
    "read_checkpoint",
    "read_checkpoints",
    "read_page",
    "read_record",
    "read_replies",
    "read_reply",
    "read_snapshot",
    "read_stream",
    "read_streams",
]

STATEMENTS = load_statements("everfold.engines.sqlite")
HIGHEST_TEXT = "\U0010ffff"


def read_page(connection: sqlite3.Connection, selection: Selection, span: Range) -> list[Record]:
    """Selected records in the span, ascending by position or descending; one consistent view of the log."""
    parts = selection.parts
    if len(parts) == 1:
        return _read_part(connection, parts[0], span)
    with _one_view(connection):
        pages = [_read_part(connection, part, span) for part in parts]
    return merged(pages, span)


@contextmanager
def _one_view(connection: sqlite3.Connection) -> Generator[None]:
    """All statements inside see the same; a transaction that is under way sees to that itself."""
    if connection.in_transaction:
        yield
        return
    connection.execute("BEGIN")
    try:
        yield
    finally:
        connection.execute("ROLLBACK")


def _read_part(connection: sqlite3.Connection, selection: Selection, span: Range) -> list[Record]:
    shape, driver = _shape(connection, selection)
    oldest, newest = 0, END
    if shape == "streamed" and (span.after or span.until < END):
        oldest = _version_at(connection, selection.stream, span.after)
        newest = _version_at(connection, selection.stream, span.until)
    parameters = {
        "after": span.after,
        "until": span.until,
        "limit": span.limit,
        "oldest": oldest,
        "newest": newest,
        "stream": selection.stream,
        "category": selection.category,
        "type": selection.types[0] if selection.types else None,
        "types": _json(selection.types),
        "tag": driver,
        "other_tags": _json(tuple(tag for tag in selection.tags if tag != driver)),
    }
    rows = connection.execute(STATEMENTS[f"read_{shape}_{span.direction}"], parameters)
    records = records_of(rows)
    if shape == "streamed" and selection.category is not None:
        return [record for record in records if record.category == selection.category]
    return records


def _version_at(connection: sqlite3.Connection, stream: str | None, position: int) -> int:
    """The version a stream had at a position: versions rise with positions, so halving finds it."""
    row = connection.execute(STATEMENTS["stream_version"], (stream,)).fetchone()
    low, high = 0, int(row[0]) if row else 0
    while low < high:
        middle = (low + high + 1) // 2
        row = connection.execute(STATEMENTS["position_of_version"], (stream, middle)).fetchone()
        low, high = (middle, high) if row and row[0] <= position else (low, middle - 1)
    return low


def _shape(connection: sqlite3.Connection, selection: Selection) -> tuple[str, str | None]:
    """The statement that finds these records by the best index, and the tag that drives it, if one does."""
    if selection.tags:
        if len(selection.tags) == 1:
            return "tagged", selection.tags[0]
        counts = {tag: connection.execute(STATEMENTS["count_of_tag"], (tag,)).fetchone()[0] for tag in selection.tags}
        return "tagged", min(counts, key=lambda tag: counts[tag])
    if selection.stream is not None:
        return "streamed", None
    if len(selection.types) == 1:
        return "type", None
    if selection.types or selection.category is not None:
        return "part", None
    return "log", None


def _json(values: tuple[str, ...]) -> str | None:
    return msgspec.json.encode(values).decode() if values else None


def read_stream(connection: sqlite3.Connection, stream: str, span: Range) -> list[Record]:
    """Records of one stream; the span counts versions."""
    rows = connection.execute(
        STATEMENTS[f"read_stream_{span.direction}"],
        {"stream": stream, "after": span.after, "until": span.until, "limit": span.limit},
    )
    return records_of(rows)


def read_bare_stream(connection: sqlite3.Connection, stream: str, span: Range) -> list[Record]:
    """Records of one stream, oldest first, without id, metadata and tags."""
    rows = connection.execute(
        STATEMENTS["read_stream_bare"],
        {"stream": stream, "after": span.after, "until": span.until, "limit": span.limit},
    )
    return [
        Record(position, stream, version, type, schema_version, "", recorded, data)
        for position, version, type, schema_version, recorded, data in rows
    ]


def read_record(connection: sqlite3.Connection, id: str) -> Record | None:
    """The record with this event id."""
    found = records_of(connection.execute(STATEMENTS["read_record"], (id,)))
    return found[0] if found else None


def read_streams(connection: sqlite3.Connection, prefix: str, after: str, limit: int) -> list[StreamInfo]:
    """Streams by name."""
    bounds = {"after": after, "low": prefix, "high": prefix + HIGHEST_TEXT, "limit": max(limit, 0)}
    return [StreamInfo(*row) for row in connection.execute(STATEMENTS["list_streams"], bounds)]


def read_snapshot(connection: sqlite3.Connection, stream: str) -> Snapshot | None:
    """The newest snapshot of the stream."""
    row = connection.execute(STATEMENTS["read_snapshot"], (stream,)).fetchone()
    return Snapshot(*row) if row else None


def read_checkpoint(connection: sqlite3.Connection, name: str) -> int:
    """How far the consumer got."""
    row = connection.execute(STATEMENTS["read_checkpoint"], (name,)).fetchone()
    return int(row[0]) if row else 0


def read_checkpoints(connection: sqlite3.Connection) -> list[Checkpoint]:
    """How far every consumer got, by name."""
    return [Checkpoint(*row) for row in connection.execute(STATEMENTS["list_checkpoints"])]


def read_reply(connection: sqlite3.Connection, key: str) -> StoredReply | None:
    """The reply stored under the key."""
    row = connection.execute(STATEMENTS["read_reply"], (key,)).fetchone()
    return StoredReply(*row) if row else None


def read_replies(connection: sqlite3.Connection, after: str, limit: int) -> list[StoredReply]:
    """Replies by key."""
    rows = connection.execute(STATEMENTS["list_replies"], {"after": after, "limit": max(limit, 0)})
    return [StoredReply(*row) for row in rows]
