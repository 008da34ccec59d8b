"""Writes batches: one durable transaction each, every write in it judged and accepted on its own.

Runs in the engine's writer thread. ``Transactions.commit`` acknowledges, and nothing else does.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Sequence
from functools import partial
from itertools import chain
from typing import Any, TypeVar

import msgspec

from everfold.clock import Clock
from everfold.engines.continuation import check_continues
from everfold.engines.pages import Range
from everfold.engines.sqlite.failures import infrastructure_error, translate
from everfold.engines.sqlite.inline_rows import InlineRows
from everfold.engines.sqlite.judge import Judge
from everfold.engines.sqlite.reader import STATEMENTS, read_page, read_reply
from everfold.engines.sqlite.restoring import row_of
from everfold.engines.sqlite.transactions import Transactions
from everfold.engines.sqlite.write_ahead_log import BYTES_PER_COMMIT, BYTES_PER_ROW, CHECKPOINT_BYTES, LONG_LOG_PAGES
from everfold.errors import EverfoldError, ProjectionFailed, StoreError
from everfold.log.checkpoint import Checkpoint
from everfold.log.idempotency import StoredReply
from everfold.log.read_database import AppendHook
from everfold.log.record import Record, checksum
from everfold.log.selection import EVERYTHING
from everfold.log.write import Appended, Failed, Outcome, Repeated, StreamAppend, Write

__all__ = ["CHECKPOINT_BYTES", "LONG_LOG_PAGES", "Writer"]

DATA = 7
UNSTORABLE = (
    sqlite3.IntegrityError,
    sqlite3.DataError,
    sqlite3.ProgrammingError,
    OverflowError,
    TypeError,
    ValueError,
)
PER_WRITE_ERRORS = (*UNSTORABLE, ProjectionFailed)
_MORE_ROWS = ", (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
INSERTS = [(size, STATEMENTS["insert_event"] + _MORE_ROWS * (size - 1)) for size in (256, 128, 64, 32, 16, 8, 4, 2, 1)]
"""Any number of rows is a sum of few of these sizes, and so few statements stay prepared."""
_encode = msgspec.json.encode
_Row = tuple[Any, ...]
T = TypeVar("T")


class Writer:
    """What this process writes to the log."""

    def __init__(self, transactions: Transactions, *, clock: Clock) -> None:
        self._transactions = transactions
        self._path = transactions.path
        self._lock = transactions.lock
        self._wal = transactions.log
        self._clock = clock
        self._committed = 0
        self._inline: InlineRows | None = None
        self._use(transactions.connection)

    def _use(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        self._judge = Judge(connection, self._flush)
        self._data_version = -1
        self._head = self._recorded = 0
        self._clear()

    def _clear(self) -> None:
        self._rows: list[_Row] = []
        self._tags: list[tuple[str, int]] = []
        self._accepted = 0

    @property
    def head(self) -> int:
        """The highest position this process has seen committed."""
        return self._committed

    def hook(self, hook: AppendHook | None) -> None:
        """Have the hook called for every batch from the next one on."""
        self._inline = InlineRows(hook) if hook else None

    def append(self, writes: Sequence[Write]) -> list[Outcome]:
        """One batch, as ``Engine.append`` promises it."""
        with self._lock.held():
            try:
                return self._write(lambda: [self._accept(write) for write in writes])
            except PER_WRITE_ERRORS as error:
                if self._is_of_batch(error):
                    raise
                if len(writes) == 1:
                    return [Failed(self._explain(error))]
                # One of them cannot be stored at all: again, each behind a savepoint, still in one commit.
                return self._write(lambda: [self._accept_apart(write) for write in writes])

    def restore(
        self, records: Sequence[Record], replies: Sequence[StoredReply], checkpoints: Sequence[Checkpoint]
    ) -> None:
        """One transaction, as ``Transfer.restore`` promises it."""
        with self._lock.held():
            try:
                self._write(partial(self._add_again, records, replies, checkpoints))
            except UNSTORABLE as error:
                if self._is_of_batch(error):
                    raise
                raise self._explain(error) from error
            finally:
                self._data_version = -1  # forget what was judged, and the clock's time: the log's own is what counts

    def run(self, job: Callable[[Any], T]) -> T:
        """A transaction of somebody else between the batches. What is known of the log stays true."""
        if self._inline:
            self._inline.outdate()
        return self._transactions.run(job)

    def _write(self, work: Callable[[], T]) -> T:
        try:
            self._begin()
            result = work()
            self._flush()
            if self._accepted:
                if self._inline:
                    self._inline.store()
                self._connection.execute(STATEMENTS["write_head"], (self._head, self._recorded))
        except BaseException as error:
            self._roll_back()
            found = infrastructure_error(error) or error
            if isinstance(found, sqlite3.Error) and not isinstance(found, UNSTORABLE):
                raise translate(found, self._path) from error
            raise
        self._commit()
        return result

    def _begin(self) -> None:
        connection = self._transactions.begin()
        if connection is not self._connection:
            self._use(connection)
        self._clear()
        self._judge.trim()
        (data_version,) = connection.execute("PRAGMA data_version").fetchone()
        is_changed = data_version != self._data_version
        if is_changed:
            self._judge.forget()
            self._head, self._recorded = connection.execute(STATEMENTS["read_head"]).fetchone()
            self._data_version = data_version
        self._recorded = max(self._recorded, self._clock.micros())
        if self._inline:
            self._inline.begin(connection, head=self._head, is_changed=is_changed)

    def _commit(self) -> None:
        if not self._accepted:
            self._roll_back(is_judge_right=True)  # only verdicts: nothing to sync
            return
        try:
            self._transactions.commit()
        except BaseException:
            self._roll_back()
            raise
        self._committed = self._head
        self._wal.unmoved += BYTES_PER_COMMIT
        if self._inline:
            self._wal.note(0)  # it wrote rows of its own
            self._inline.end(is_committed=True)

    def _roll_back(self, *, is_judge_right: bool = False) -> None:
        self._clear()
        if not is_judge_right:
            self._data_version = -1  # the next batch asks the database again
        self._transactions.roll_back()
        if self._inline:
            self._inline.end(is_committed=False)

    def _is_of_batch(self, error: BaseException) -> bool:
        """Whether no single write is to blame for the error, whatever its class."""
        return self._inline is not None and self._inline.has_failed_with(error)

    def _accept(self, write: Write) -> Outcome:
        if again := write.repeatable:
            stored = read_reply(self._connection, again.key)
            if stored:
                return Repeated(stored)
        conflict = self._judge.verdict(write)
        if conflict:
            return conflict
        first = self._head + 1
        versions = tuple([self._add(part) for part in write.appends])
        self._accepted += 1
        if write.repeatable or write.checkpoints or write.snapshots:
            self._add_beside(write, first)
        return Appended(first, self._head, self._recorded, versions)

    def _accept_apart(self, write: Write) -> Outcome:
        """As ``_accept``, but what cannot be stored is undone and fails this write only."""
        execute = self._connection.execute
        before = (self._head, self._accepted)
        execute("SAVEPOINT one_write")
        try:
            outcome = self._accept(write)
            self._flush()
            if self._inline and self._accepted > before[1]:
                self._inline.store()
        except PER_WRITE_ERRORS as error:
            if self._is_of_batch(error):
                raise
            self._undo_one(*before)
            outcome = Failed(self._explain(error))
        execute("RELEASE one_write")
        return outcome

    def _undo_one(self, head: int, accepted: int) -> None:
        self._connection.execute("ROLLBACK TO one_write")
        self._clear()
        self._judge.forget()
        self._head, self._accepted = head, accepted
        if self._inline:
            self._inline.end(is_committed=False)
            self._inline.begin(self._connection, head=head, is_changed=True)

    def _add(self, part: StreamAppend) -> int:
        """Queue the rows of one stream; the version it reaches."""
        version, position, recorded, stream = (
            self._judge.version(part.stream),
            self._head,
            self._recorded,
            part.stream,
        )
        rows = self._rows
        for record in part.records:
            position += 1
            version += 1
            tags = _encode(record.tags).decode() if record.tags else None
            type, version_of_type, id = record.type, record.schema_version, record.id
            data, metadata = record.data, record.metadata_json
            check = checksum(position, stream, version, type, version_of_type, id, recorded, data, metadata, tags)
            rows.append((position, stream, version, type, version_of_type, id, recorded, data, metadata, tags, check))
            if tags:
                self._tags.extend([(tag, position) for tag in dict.fromkeys(record.tags)])
        self._head = position
        if part.records:
            self._judge.note(part, version, position)
        return version

    def _add_beside(self, write: Write, first: int) -> None:
        execute = self._connection.execute
        if again := write.repeatable:
            reply = (again.key, again.fingerprint, again.reply, first, self._head, self._recorded)
            execute(STATEMENTS["insert_reply"], reply)
            self._wal.unmoved += len(again.reply)
        for checkpoint in write.checkpoints:
            execute(STATEMENTS["write_checkpoint"], (checkpoint.name, checkpoint.position))
        for kept in write.snapshots:
            snapshot = (kept.stream, kept.version, kept.fingerprint, kept.state, self._head, self._recorded)
            execute(STATEMENTS["write_snapshot"], snapshot)
            self._wal.unmoved += len(kept.state)

    def _add_again(
        self, records: Sequence[Record], replies: Sequence[StoredReply], checkpoints: Sequence[Checkpoint]
    ) -> None:
        head, time = self._connection.execute(STATEMENTS["read_head"]).fetchone()
        newest = read_page(self._connection, EVERYTHING, Range.of(0, None, 1, backwards=True))
        recorded = newest[0].recorded if newest else 0
        check_continues(records, head=head, recorded=recorded, version=self._judge.version)
        self._rows += map(row_of, records)
        self._tags += [(tag, record.position) for record in records for tag in dict.fromkeys(record.tags)]
        for reply in replies:
            self._connection.execute(STATEMENTS["insert_reply"], msgspec.structs.astuple(reply))
        for checkpoint in checkpoints:
            self._connection.execute(STATEMENTS["write_checkpoint"], (checkpoint.name, checkpoint.position))
        self._head = head + len(records)
        self._recorded = max(time, records[-1].recorded) if records else time
        self._accepted = len(records) + len(replies) + len(checkpoints)

    def _flush(self) -> None:
        rows, self._rows = self._rows, []
        if rows:
            self._insert(rows)
            if self._inline:
                self._inline.add(rows)
            self._wal.unmoved += BYTES_PER_ROW * len(rows) + sum([len(row[DATA]) for row in rows])
        tags, self._tags = self._tags, []
        if tags:
            self._connection.executemany(STATEMENTS["insert_tag"], tags)

    def _insert(self, rows: list[_Row]) -> None:
        """Insert by few statements: at each, a busy event loop may keep the interpreter's lock."""
        start, count = 0, len(rows)
        for size, statement in INSERTS:
            while count - start >= size:
                self._connection.execute(statement, list(chain.from_iterable(rows[start : start + size])))
                start += size

    def _explain(self, error: Exception) -> EverfoldError:
        if isinstance(error, ProjectionFailed):
            return error
        if isinstance(error, sqlite3.IntegrityError) and "events.id" in str(error):
            return StoreError("An event id of this write is stored already. Nothing was stored; ids must be unique.")
        if isinstance(error, sqlite3.Error):
            return translate(error, self._path)
        return StoreError(f"A value of this write cannot be stored: {error}. Nothing was stored.")

    @property
    def is_checkpoint_due(self) -> bool:
        """Whether this process has made the write-ahead log long."""
        return self._wal.unmoved > CHECKPOINT_BYTES

    def checkpoint(self) -> None:
        """Move committed pages from the write-ahead log into the file."""
        self._transactions.checkpoint(beyond=CHECKPOINT_BYTES, long=LONG_LOG_PAGES)
