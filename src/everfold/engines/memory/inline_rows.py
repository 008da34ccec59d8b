"""Appends with a hook: records and the rows of inline read models are stored together or not at all."""

from __future__ import annotations

import sqlite3
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from functools import partial

from everfold.engines.inline_hook import InlineHook
from everfold.engines.memory.log import MemoryLog
from everfold.engines.memory.read_database import MemoryReadDatabase
from everfold.errors import ProjectionFailed
from everfold.log.checkpoint import Checkpoint
from everfold.log.idempotency import StoredReply
from everfold.log.read_database import AppendHook
from everfold.log.record import Record
from everfold.log.selection import Selection
from everfold.log.write import Failed, Outcome, Write

__all__ = ["InlineRows", "read_within"]


class InlineRows:
    """The hook, and the two things that it keeps in step."""

    def __init__(self, hook: AppendHook, log: MemoryLog, database: MemoryReadDatabase) -> None:
        self._hook = InlineHook(hook)
        self._log = log
        self._database = database
        self._seen = -1

    def append(self, writes: Sequence[Write]) -> list[Outcome]:
        """One batch, as ``Engine.append`` promises it."""
        with self._batch() as connection:
            return [self._log.judge(write) or self._store(connection, write) for write in writes]

    def restore(
        self, records: Sequence[Record], replies: Sequence[StoredReply], checkpoints: Sequence[Checkpoint]
    ) -> None:
        """As ``Transfer.restore`` promises it."""
        with self._batch():
            self._log.restore(records, replies, checkpoints)
            self._hook.store(records)

    @contextmanager
    def _batch(self) -> Generator[sqlite3.Connection]:
        undo = self._log.undoing()
        is_committed = False
        try:
            with self._database.transaction() as connection:
                self._begin(connection, is_changed=self._seen != self._database.jobs)
                self._seen = self._database.jobs
                yield connection
            is_committed = True
        finally:
            if not is_committed:
                undo()
            self._hook.end(is_committed=is_committed)

    def _begin(self, connection: sqlite3.Connection, *, is_changed: bool) -> None:
        head = len(self._log.records)
        self._hook.begin(connection, head=head, is_changed=is_changed, read=partial(read_within, self._log, head))

    def _store(self, connection: sqlite3.Connection, write: Write) -> Outcome:
        undo, head = self._log.undoing(), len(self._log.records)
        connection.execute("SAVEPOINT one_write")
        outcome: Outcome = self._log.store(write)
        try:
            self._hook.store(self._log.records[head:])
        except ProjectionFailed as error:
            undo()
            connection.execute("ROLLBACK TO one_write")
            self._hook.end(is_committed=False)
            self._begin(connection, is_changed=True)
            outcome = Failed(error)
        connection.execute("RELEASE one_write")
        return outcome


def read_within(log: MemoryLog, head: int, selection: Selection, *, after: int, limit: int) -> Sequence[Record]:
    """Reads the log up to its head within a transaction."""
    span = log.records[max(after, 0) : head]
    return [record for record in span if selection.matches(record)][: max(limit, 0)]
