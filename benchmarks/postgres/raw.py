"""The limit: psycopg storing the same rows in everfold's tables, with all their indexes.

What it leaves out is what ``raw_side`` says; and it numbers positions itself, without the lock of the head, except in
the group commit.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from psycopg import Connection

from benchmarks.postgres.database import Database
from benchmarks.raw_side import Row
from everfold.engines.statements import load_statements, load_upgrades

__all__ = ["RawStore", "statement"]

PACKAGE = "everfold.engines.postgres"
STATEMENTS = load_statements(PACKAGE) | load_statements("benchmarks.postgres", "raw.sql")


def statement(name: str, schema: str) -> bytes:
    """One of everfold's own, or of ``raw.sql``, for a schema."""
    return _of(STATEMENTS[name], schema)


class RawStore:
    """A connection to everfold's tables. Used by one thread at a time."""

    def __init__(self, database: Database, schema: str, *, is_new: bool = True) -> None:
        """``is_new``: make the tables."""
        self.connection: Connection[Row] = database.connect()
        self._insert, self._insert_one = statement("insert_rows", schema), statement("insert_row", schema)
        self._copy = statement("copy_rows", schema)
        self._lock, self._versions = statement("lock_head", schema), statement("versions", schema)
        self.schema = schema
        if is_new:
            for script in load_upgrades(PACKAGE):
                self.connection.execute(_of(script, schema))

    def commit_one(self, row: Row) -> None:
        """One row, one statement, one durable transaction."""
        self.connection.execute(self._insert_one, _variable(row), prepare=True)

    def commit_unnested(self, rows: Sequence[Row]) -> None:
        """All rows by one statement, which is a durable transaction."""
        self.connection.execute(self._insert, _arrays(rows), prepare=True)

    def commit_copied(self, rows: Sequence[Row]) -> None:
        """All rows by COPY, in a durable transaction."""
        with self.connection.cursor() as cursor, cursor.copy(self._copy) as copy:
            for row in rows:
                copy.write_row(row)

    def pages(self, limit: int) -> Iterator[list[Row]]:
        """The whole log, with everfold's statement."""
        after, read = 0, statement("read_log_forwards", self.schema)
        while rows := self._page(read, after=after, until=2**63 - 1, limit=limit):
            yield rows
            after = rows[-1][0]

    def _page(self, read: bytes, **stretch: Any) -> list[Row]:
        return self.connection.execute(read, stretch, prepare=True).fetchall()

    # --- as a ``group_commit.Log``: two trips for each batch, or one

    def begin(self, streams: Iterable[str]) -> Mapping[str, int]:
        """Take the lock that keeps positions in order, and ask for all versions at once."""
        asked = list(streams)
        if not asked:
            return {}  # all is sent with the commit
        with self.connection.pipeline():
            self.connection.execute("BEGIN", prepare=True)
            self.connection.execute(self._lock, prepare=True)
            found = self.connection.execute(self._versions, (asked,), prepare=True)
        return dict(found.fetchall())

    def commit(self, rows: Sequence[Row], head: int) -> None:
        """The head needs no row: the newest event is it."""
        has_begun = self.connection.info.transaction_status.name == "INTRANS"
        with self.connection.pipeline():
            if not has_begun:
                self.connection.execute("BEGIN", prepare=True)
                self.connection.execute(self._lock, prepare=True)
            self.connection.execute(self._insert, _arrays(rows), prepare=True)
            self.connection.execute("COMMIT", prepare=True)

    def close(self) -> None:
        """Close the connection."""
        self.connection.close()


def _of(text: str, schema: str) -> bytes:
    return text.replace("{schema}", f'"{schema}"').encode()


def _variable(row: Row) -> Row:
    position, stream, version, type, _, id, _, data, metadata, *_ = row
    return position, stream, version, type, id, data, metadata


def _arrays(rows: Sequence[Row]) -> list[list[Any]]:
    return [list(column) for column in zip(*map(_variable, rows), strict=True)]
