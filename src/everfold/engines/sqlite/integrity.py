"""Recomputes what was stored: checksums, contiguous positions and versions. Used by ``doctor`` through the engine."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from itertools import islice
from typing import Any

import msgspec

from everfold.engines.pages import Range
from everfold.engines.sqlite.reader import STATEMENTS
from everfold.errors import StoreCorrupt
from everfold.log.integrity import Damage, Verified
from everfold.log.record import checksum

__all__ = ["verify_records"]

_Row = tuple[Any, ...]
_decode_tags = msgspec.json.Decoder(tuple[str, ...]).decode


def verify_records(connection: sqlite3.Connection, span: Range) -> Verified:
    """Check a span of the log; its end and what is wrong in it."""
    connection.text_factory = _lenient  # damaged text is to be located, not to stop the search
    connection.execute("BEGIN")  # one view for all statements
    try:
        (head, _) = connection.execute(STATEMENTS["read_head"]).fetchone()
        rows = _rows(connection, span)
        damages = tuple(_damages(connection, rows, span.after, head))
    finally:
        connection.execute("ROLLBACK")
        connection.text_factory = str
    return Verified(rows[-1][0] if rows else span.after, damages)


def _lenient(text: bytes) -> str:
    return text.decode("utf-8", "surrogateescape")


def _rows(connection: sqlite3.Connection, span: Range) -> list[_Row]:
    rows: list[_Row] = []
    cursor = connection.execute(STATEMENTS["read_checksums"], (span.after, span.limit))
    try:
        rows.extend(cursor)
    except sqlite3.DatabaseError as error:
        last = rows[-1][0] if rows else span.after
        raise StoreCorrupt(
            f"The file is damaged behind position {last} ({error}). Stop writing, copy it, and restore a backup.",
            position=last + 1,
        ) from error
    return rows


def _damages(connection: sqlite3.Connection, rows: list[_Row], after: int, head: int) -> Iterator[Damage]:
    expected = after
    for row in rows:
        position = row[0]
        if position != expected + 1:
            yield Damage(expected + 1, f"the positions {expected + 1} to {position - 1} are missing.")
        expected = position
        for problem in islice(_problems(connection, row, head), 1):
            yield Damage(position, problem)
    if not rows and head > after:
        yield Damage(after + 1, f"the newest records are missing: the log had {head:,}.")


def _problems(connection: sqlite3.Connection, row: _Row, head: int) -> Iterator[str]:
    """What is wrong with a record and with what refers to it; whoever asks takes the first."""
    position, stream, version, type, id, tags = row[0], row[1], row[2], row[3], row[5], row[9]
    execute = connection.execute
    if checksum(*row[:10]) != row[10]:
        yield "the stored bytes do not match their checksum."
    if position > head:
        yield f"the log ends at {head:,}: this record was not written by everfold."
    indexed = execute(STATEMENTS["read_indexed"], (stream, version, version)).fetchall()
    if not indexed or indexed[-1] != (version, position):
        yield f"the stream {stream!r} does not list it as version {version}."
    if version > 1 and (len(indexed) < 2 or indexed[0][1] >= position):
        yield f"the stream {stream!r} has no version {version - 1} before it."
    if not execute(STATEMENTS["is_indexed"], (id, position, type, position)).fetchone():
        yield "an index does not list it by its id or its type."
    for tag in _decode_tags(tags) if tags else ():
        if not execute(STATEMENTS["has_tag"], (tag, position)).fetchone():
            yield f"the tag {tag!r} does not list it."
