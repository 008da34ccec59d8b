"""The hook in the writer's transactions: it is given every row that was inserted, as the record that it is."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from functools import partial
from typing import Any

from everfold.engines.inline_hook import InlineHook
from everfold.engines.pages import Range, records_of
from everfold.engines.sqlite.reader import read_page
from everfold.log.read_database import AppendHook
from everfold.log.record import Record
from everfold.log.selection import Selection

__all__ = ["InlineRows", "read_within"]

_Row = tuple[Any, ...]


class InlineRows:
    """A hook, and the rows that it has not seen yet."""

    def __init__(self, hook: AppendHook) -> None:
        self._hook = InlineHook(hook)
        self._unseen: list[_Row] = []
        self.has_failed_with = self._hook.has_failed_with
        self.outdate = self._hook.outdate

    def begin(self, connection: sqlite3.Connection, *, head: int, is_changed: bool) -> None:
        """A transaction has begun, or goes on behind a savepoint: in both cases nothing is waiting to be seen."""
        self._unseen = []
        self._hook.begin(connection, head=head, is_changed=is_changed, read=partial(read_within, connection, head))

    def add(self, rows: Sequence[_Row]) -> None:
        """These rows have been inserted into the log."""
        self._unseen.extend(rows)

    def store(self) -> None:
        """Have the hook write what follows from them."""
        rows, self._unseen = self._unseen, []
        self._hook.store(records_of(row[:-1] for row in rows))  # a row ends with its checksum

    def end(self, *, is_committed: bool) -> None:
        """The transaction has ended, or a part of it was undone."""
        self._unseen = []
        self._hook.end(is_committed=is_committed)


def read_within(
    connection: sqlite3.Connection, head: int, selection: Selection, *, after: int, limit: int
) -> Sequence[Record]:
    """Reads the log up to its head within a transaction."""
    return read_page(connection, selection, Range.of(after, head, limit, backwards=False))
