"""Reads pages of records from a connection. Used by the engine's readers and, inside a transaction, by the writer."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from contextlib import contextmanager
from functools import partial
from typing import Any, NamedTuple

from psycopg.sql import Identifier
from psycopg.types.numeric import Int8

from everfold.engines.pages import END, Range, merged, records_of
from everfold.engines.postgres.connection import HeldConnection
from everfold.engines.statements import load_statements
from everfold.log.catalogue import StreamInfo
from everfold.log.checkpoint import Checkpoint
from everfold.log.idempotency import StoredReply
from everfold.log.read_database import ReadRecords
from everfold.log.record import Record
from everfold.log.selection import Selection
from everfold.log.snapshot import Snapshot

__all__ = ["Locked", "Reader", "bare_record", "one_view", "quoted"]

STATEMENTS = load_statements("everfold.engines.postgres")
HIGHEST_TEXT = "\U0010ffff"


def quoted(name: str) -> str:
    """The name as SQL writes it."""
    return Identifier(name).as_string()


class Locked(NamedTuple):
    """What there is while nobody else appends."""

    head: int
    recorded: int
    """When the newest record was recorded; 0: there is none."""
    jobs: int
    """How many transactions have written beside the log, or tried."""


class Reader:
    """The statements of one schema."""

    def __init__(self, schema: str) -> None:
        """``schema``: its plain name; the attribute is quoted as SQL writes it."""
        self.name = schema
        self.schema = quoted(schema)
        self._statements = {name: text.replace("{schema}", self.schema) for name, text in STATEMENTS.items()}

    def statement(self, name: str) -> str:
        """The text of a statement of ``statements.sql``, for this schema."""
        return self._statements[name]

    def execute(self, connection: HeldConnection, statement: str, **values: Any) -> Any:
        """Execute a statement of ``statements.sql``; the driver's cursor. Whole numbers have 64 bits."""
        sized = {name: Int8(value) if isinstance(value, int) else value for name, value in values.items()}
        return connection.execute(self._statements[statement].encode(), sized)

    def append(self, arguments: str) -> str:
        """The statement that stores a batch."""
        return self._statements["append"].replace("{arguments}", arguments)

    # --- within a transaction that writes

    def lock(self, connection: HeldConnection) -> Locked:
        """Wait for our turn to append: nobody else does until the transaction ends."""
        return Locked(*self.execute(connection, "lock").fetchone())

    def within(self, connection: HeldConnection, head: int) -> ReadRecords:
        """How to read the log up to its head in this transaction."""
        return partial(self._read_within, connection, head)

    def _read_within(
        self, connection: HeldConnection, head: int, selection: Selection, *, after: int, limit: int
    ) -> Sequence[Record]:
        return self.page(selection, Range.of(after, head, limit, backwards=False), connection)

    def version_of(self, connection: HeldConnection, stream: str) -> int:
        """The version of the stream."""
        row = self.execute(connection, "stream_version", stream=stream).fetchone()
        return row[0] if row else 0

    def replies_of(self, keys: Sequence[str], connection: HeldConnection) -> dict[str, StoredReply]:
        """The replies stored under these keys."""
        rows = self.execute(connection, "read_replies", keys=list(keys))
        return {row[0]: StoredReply(*row) for row in rows}

    # --- pages

    def head(self, connection: HeldConnection) -> int:
        """The highest position ever given."""
        return int(self.execute(connection, "read_head").fetchone()[0])

    def page(self, selection: Selection, span: Range, connection: HeldConnection) -> list[Record]:
        """Selected records in the span, ascending by position or descending; one consistent view of the log."""
        parts = selection.parts
        if len(parts) == 1 and not _takes_steps(parts[0]):
            return self._part(parts[0], span, connection)
        with one_view(connection):
            pages = [self._part(part, span, connection) for part in parts]
        return merged(pages, span)

    def _part(self, selection: Selection, span: Range, connection: HeldConnection) -> list[Record]:
        shape, driver = self._shape(connection, selection)
        values: dict[str, Any] = {"after": span.after, "until": span.until, "limit": span.limit}
        if shape != "log":
            values |= _criteria(selection, driver)
        if shape == "streamed":
            values |= self._versions(connection, selection, span)
        rows = self.execute(connection, f"read_{shape}_{span.direction}", **values).fetchall()
        records = records_of(rows)
        if shape == "streamed" and selection.category is not None:
            return [record for record in records if record.category == selection.category]
        return records

    def _versions(self, connection: HeldConnection, selection: Selection, span: Range) -> dict[str, int]:
        oldest, newest = 0, END
        if span.after or span.until < END:
            oldest = self._version_at(connection, selection.stream, span.after)
            newest = self._version_at(connection, selection.stream, span.until)
        return {"oldest": oldest, "newest": newest}

    def _version_at(self, connection: HeldConnection, stream: str | None, position: int) -> int:
        """The version a stream had at a position: versions rise with positions, so halving finds it."""
        low, high = 0, self.version_of(connection, stream or "")
        while low < high:
            middle = (low + high + 1) // 2
            row = self.execute(connection, "position_of_version", stream=stream, version=middle).fetchone()
            low, high = (middle, high) if row and row[0] <= position else (low, middle - 1)
        return low

    def _shape(self, connection: HeldConnection, selection: Selection) -> tuple[str, str | None]:
        """The statement that finds these records by the best index, and the tag that drives it, if one does."""
        if len(selection.tags) == 1:
            return "tagged", selection.tags[0]
        if selection.tags:
            counts = {tag: self.execute(connection, "count_of_tag", tag=tag).fetchone()[0] for tag in selection.tags}
            return "tagged", min(counts, key=lambda tag: counts[tag])
        if selection.stream is not None:
            return "streamed", None
        if len(selection.types) == 1:
            return "type", None
        return ("part" if selection.types or selection.category is not None else "log"), None

    def stream(self, stream: str, span: Range, connection: HeldConnection) -> list[Record]:
        """Records of one stream; the span counts versions."""
        return records_of(self._stream_rows(f"read_stream_{span.direction}", stream, span, connection))

    def bare_stream(self, stream: str, span: Range, connection: HeldConnection) -> list[Record]:
        """Records of one stream, oldest first, without id, metadata and tags."""
        rows = self._stream_rows("read_stream_bare", stream, span, connection)
        return [bare_record(stream, *row) for row in rows]

    def _stream_rows(self, statement: str, stream: str, span: Range, connection: HeldConnection) -> Any:
        limits = {"after": span.after, "until": span.until, "limit": span.limit}
        return self.execute(connection, statement, stream=stream, **limits).fetchall()

    # --- what is kept beside, and the catalogue

    def record(self, id: str, connection: HeldConnection) -> Record | None:
        """The record with this event id."""
        found = records_of(self.execute(connection, "read_record", id=id))
        return found[0] if found else None

    def streams(self, prefix: str, after: str, limit: int, connection: HeldConnection) -> list[StreamInfo]:
        """Streams by name."""
        bounds: dict[str, Any] = {"after": after, "low": prefix, "high": prefix + HIGHEST_TEXT, "limit": max(limit, 0)}
        return [StreamInfo(*row) for row in self.execute(connection, "list_streams", **bounds)]

    def snapshot(self, stream: str, connection: HeldConnection) -> Snapshot | None:
        """The newest snapshot of the stream."""
        row = self.execute(connection, "read_snapshot", stream=stream).fetchone()
        return Snapshot(*row) if row else None

    def checkpoint(self, name: str, connection: HeldConnection) -> int:
        """How far the consumer got."""
        row = self.execute(connection, "read_checkpoint", name=name).fetchone()
        return int(row[0]) if row else 0

    def checkpoints(self, connection: HeldConnection) -> list[Checkpoint]:
        """How far every consumer got, by name."""
        return [Checkpoint(*row) for row in self.execute(connection, "list_checkpoints")]

    def reply(self, key: str, connection: HeldConnection) -> StoredReply | None:
        """The reply stored under the key."""
        return self.replies_of([key], connection).get(key)

    def replies(self, after: str, limit: int, connection: HeldConnection) -> list[StoredReply]:
        """Replies by key."""
        rows = self.execute(connection, "list_replies", after=after, limit=max(limit, 0))
        return [StoredReply(*row) for row in rows]


def bare_record(
    stream: str, position: int, version: int, type: str, schema_version: int, recorded: int, data: str
) -> Record:
    """The record of a row that only has what folding needs."""
    return Record(position, stream, version, type, schema_version, "", recorded, data)


def _takes_steps(selection: Selection) -> bool:
    """Whether several statements are needed, which must see the same."""
    return len(selection.tags) > 1 or selection.stream is not None


def _criteria(selection: Selection, driver: str | None) -> dict[str, Any]:
    category = selection.category
    return {
        "stream": selection.stream,
        "low": None if category is None else category + "-",
        "high": None if category is None else category + ".",
        "type": selection.types[0] if selection.types else None,
        "types": list(selection.types) or None,
        "tag": driver,
        "other_tags": [tag for tag in selection.tags if tag != driver] or None,
    }


@contextmanager
def one_view(connection: HeldConnection) -> Generator[None]:
    """All statements inside see the same; a transaction that is under way sees to that itself."""
    if connection.in_transaction:
        yield
        return
    connection.execute("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")
    try:
        yield
    finally:
        if not connection.closed:
            connection.execute("ROLLBACK")
