"""Judges writes under the write lock: expected versions and conditions. Used by the writer, inside its transaction.

What the judge learnt is kept between batches: the version of streams, the newest position of tags and
types. It is valid for as long as no other process commits, which SQLite's data_version tells the writer.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable

from everfold.engines.conflicts import outdated, stale
from everfold.engines.pages import Range
from everfold.engines.sqlite.reader import STATEMENTS, read_page
from everfold.log.condition import Condition
from everfold.log.record import Record
from everfold.log.selection import Selection
from everfold.log.write import Conflicted, StreamAppend, Write

__all__ = ["Judge"]

REMEMBERED = 200_000


class Judge:
    """What is known of the newest state of the log, and the verdicts that follow from it."""

    def __init__(self, connection: sqlite3.Connection, flush: Callable[[], None]) -> None:
        """``flush`` must bring all accepted rows of the running batch into the database."""
        self._connection = connection
        self._flush = flush
        self._versions: dict[str, int] = {}
        self._tags: dict[str, int] = {}
        self._types: dict[str, int] = {}

    def forget(self) -> None:
        """Forget everything: somebody else committed, or a transaction was rolled back."""
        self._versions.clear()
        self._tags.clear()
        self._types.clear()

    def trim(self) -> None:
        """Keep memory bounded; called between batches."""
        for known in (self._versions, self._tags, self._types):
            if len(known) > REMEMBERED:
                known.clear()

    def version(self, stream: str) -> int:
        """The version of the stream, accepted rows of the running batch included."""
        version = self._versions.get(stream)
        if version is None:
            row = self._connection.execute(STATEMENTS["stream_version"], (stream,)).fetchone()
            version = self._versions[stream] = row[0] if row else 0
        return version

    def note(self, part: StreamAppend, version: int, last: int) -> None:
        """Records of this part were accepted: the stream has this version, the newest record this position."""
        self._versions[part.stream] = version
        position = last - len(part.records)
        for record in part.records:
            position += 1
            self._types[record.type] = position
            for tag in record.tags:
                self._tags[tag] = position

    def verdict(self, write: Write) -> Conflicted | None:
        """The first thing that speaks against the write, or None. Nothing has been stored of it yet."""
        if write.condition and (newer := self._newer(write.condition)):
            return outdated(newer.position, newer.stream)
        if len(write.appends) == 1:
            part = write.appends[0]
            version = self.version(part.stream)
            return None if part.expected is None or part.expected == version else stale(part, version)
        reached: dict[str, int] = {}
        for part in write.appends:
            version = reached.get(part.stream, self.version(part.stream))
            if part.expected is not None and part.expected != version:
                return stale(part, version)
            reached[part.stream] = version + len(part.records)
        return None

    def _newer(self, condition: Condition) -> Record | None:
        """A record that breaks the condition, if there is one."""
        for part in condition.selection.parts:
            if self._may_break(part, condition.after) and (found := self._search(part, condition.after)):
                return found
        return None

    def _may_break(self, selection: Selection, after: int) -> bool:
        """A cheap look first: a record carries all its tags, so the oldest of their newest positions bounds it."""
        if selection.tags:
            return min(self._newest_of(tag, self._tags, "newest_of_tag") for tag in selection.tags) > after
        if selection.types:
            return max(self._newest_of(type, self._types, "newest_of_type") for type in selection.types) > after
        return True

    def _newest_of(self, name: str, known: dict[str, int], statement: str) -> int:
        position = known.get(name)
        if position is None:
            row = self._connection.execute(STATEMENTS[statement], (name,)).fetchone()
            position = known[name] = row[0] if row else 0
        return position

    def _search(self, selection: Selection, after: int) -> Record | None:
        self._flush()
        found = read_page(self._connection, selection, Range.of(after, None, 1, backwards=True))
        return found[0] if found else None
