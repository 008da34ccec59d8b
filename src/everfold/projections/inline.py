"""Inline projections: their rows are written in the transaction of the append. The hook of the engine's writer."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import Any

from everfold.errors import ProjectionFailed
from everfold.log.read_database import ReadRecords
from everfold.log.record import Record
from everfold.projections.bound import failed
from everfold.projections.build_writer import BuildWriter, FlushFailed
from everfold.projections.builds import builds_of, of_code
from everfold.subscriptions.subscription import Fenced, Moved, Paused

__all__ = ["LARGEST_GAP", "InlineProjections"]

_log = logging.getLogger("everfold.projections")
LARGEST_GAP = 1_000
"""Records that were appended without us (by a program that does not know the projection) and are made up for in an
append. A longer way is left to the runner, and the projection is behind until then."""


class InlineProjections:
    """All inline projections of an application. Runs in the thread that writes to the log."""

    def __init__(self) -> None:
        self._writers: dict[str, BuildWriter] = {}
        self._fingerprints: dict[str, str] = {}
        self._in_step: dict[str, int] = {}
        """The position of each projection that is at the head of the log."""
        self._connection: Any = None
        self._is_new = True

    def add(self, writer: BuildWriter, fingerprint: str) -> None:
        """Write this build of this code from the next batch on, in place of another of its projection."""
        self._fingerprints[writer.name] = fingerprint
        self._writers[writer.name] = writer
        self._is_new = True

    def begin(self, connection: Any, *, head: int, is_changed: bool, read: ReadRecords) -> None:
        """Find out which projections are in step with the log, and make up for small gaps."""
        self._connection = connection
        if is_changed or self._is_new:
            self._is_new = False
            self._in_step = {}
            for name in list(self._writers):
                self._begin_one(self._newest(name), head, read)

    def _newest(self, name: str) -> BuildWriter:
        """The writer to the build that this code goes on with: it may have been rebuilt since the last batch."""
        writer = self._writers[name]
        builds = builds_of(self._connection, writer.dialect, name)
        own = of_code(builds, self._fingerprints[name])
        if own is not None and own.build != writer.build:
            writer = self._writers[name] = writer.of_build(own.build)
        return writer

    def _begin_one(self, writer: BuildWriter, head: int, read: ReadRecords) -> None:
        execute = self._connection.execute
        execute("SAVEPOINT gap")
        try:
            position, _ = writer.resume(self._connection, 0)
            if head - position <= LARGEST_GAP:
                if position < head:
                    missed = read(writer.selection, after=position, limit=LARGEST_GAP)
                    writer.apply(self._connection, missed, after=position, position=head, token=0)
                self._in_step[writer.name] = head
        except (Paused, Fenced, Moved, ProjectionFailed, FlushFailed) as error:
            _log.debug("the inline projection %s is not in step with the log: %r", writer.name, error)
            writer.undone()
            execute("ROLLBACK TO gap")
        execute("RELEASE gap")  # anything else undoes the batch: no statement would be executed in between

    def apply(self, records: Sequence[Record]) -> None:
        """Apply the records of an append to every projection that is in step."""
        last = records[-1]
        for writer in list(self._writers.values()):
            after = self._in_step.get(writer.name)
            if after is None:
                continue
            wanted = [record for record in records if record.type in writer.types]
            try:
                writer.apply(self._connection, wanted, after=after, position=last.position, token=0)
            except FlushFailed as error:
                raise failed(writer.name, error.__cause__ or error, last) from error
            except (Paused, Fenced, Moved):
                del self._in_step[writer.name]
                self._is_new = True
            else:
                self._in_step[writer.name] = last.position

    def flush(self) -> None:
        """Nothing is left: every apply has written its rows."""

    def end(self, *, is_committed: bool) -> None:
        """Forget what was undone."""
        if not is_committed:
            self._is_new = True
            for writer in list(self._writers.values()):
                writer.undone()
