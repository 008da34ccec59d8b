"""Writes batches: one durable transaction each, every write in it judged and accepted on its own.

Runs in the engine's writer thread. ``_commit`` is the only place of the engine that acknowledges anything.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Sequence
from contextlib import suppress
from itertools import chain
from pathlib import Path
from typing import Any, NoReturn

import msgspec

from everfold.clock import Clock
from everfold.engines.sqlite.failures import is_refusal, translate, translated
from everfold.engines.sqlite.file_lock import FileLock
from everfold.engines.sqlite.judge import Judge
from everfold.engines.sqlite.reader import STATEMENTS, read_reply
from everfold.errors import EverfoldError, OutcomeUnknown, StoreBusy, StoreError
from everfold.log.record import checksum
from everfold.log.write import Appended, Failed, Outcome, Repeated, StreamAppend, Write

__all__ = ["Writer"]

CHECKPOINT_BYTES = 16 * 1024 * 1024
BYTES_PER_COMMIT, BYTES_PER_ROW = 24 * 1024, 1024
"""A commit touches a page of each table and index; rows then fill pages. An estimate that needs no system call."""
LONG_LOG_PAGES = 16_384
RESTART_MILLIS = 100
DATA = 7
PER_WRITE_ERRORS = (
    sqlite3.IntegrityError,
    sqlite3.DataError,
    sqlite3.ProgrammingError,
    OverflowError,
    TypeError,
    ValueError,
)
_MORE_ROWS = ", (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
INSERTS = [(size, STATEMENTS["insert_event"] + _MORE_ROWS * (size - 1)) for size in (256, 128, 64, 32, 16, 8, 4, 2, 1)]
"""Any number of rows is a sum of few of these sizes, and so few statements stay prepared."""
_encode = msgspec.json.encode
_Row = tuple[Any, ...]


class Writer:
    """The one connection of this process that writes to the log."""

    def __init__(self, path: str, *, connect: Callable[[], sqlite3.Connection], lock: FileLock, clock: Clock) -> None:
        self._path = path
        self._connect = connect
        self._lock = lock
        self._clock = clock
        self._committed = 0
        self._use(connect())
        # What earlier processes left in the write-ahead log counts too, or nobody would ever move it.
        log = Path(path + "-wal")
        self._unmoved = log.stat().st_size if log.exists() else 0

    def _use(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        self._is_lost = False
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

    def append(self, writes: Sequence[Write]) -> list[Outcome]:
        """One batch, as ``Engine.append`` promises it."""
        with self._lock.held():
            try:
                return self._write(writes, self._accept)
            except PER_WRITE_ERRORS as error:
                if len(writes) == 1:
                    return [Failed(self._explain(error))]
                # One of them cannot be stored at all: again, each behind a savepoint, still in one commit.
                return self._write(writes, self._accept_apart)

    def _write(self, writes: Sequence[Write], accept: Callable[[Write], Outcome]) -> list[Outcome]:
        try:
            self._begin()
            outcomes = [accept(write) for write in writes]
            self._flush()
            if self._accepted:
                self._connection.execute(STATEMENTS["write_head"], (self._head, self._recorded))
        except BaseException as error:
            self._roll_back()
            if isinstance(error, sqlite3.Error) and not isinstance(error, PER_WRITE_ERRORS):
                raise translate(error, self._path) from error
            raise
        self._commit()
        return outcomes

    def _begin(self) -> None:
        if self._is_lost:
            self._use(self._connect())
        self._clear()
        self._judge.trim()
        connection = self._connection
        connection.execute("BEGIN IMMEDIATE")
        (data_version,) = connection.execute("PRAGMA data_version").fetchone()
        if data_version != self._data_version:
            self._judge.forget()
            self._head, self._recorded = connection.execute(STATEMENTS["read_head"]).fetchone()
            self._data_version = data_version
        self._recorded = max(self._recorded, self._clock.micros())

    def _commit(self) -> None:
        """Make the batch durable. What happens in here decides between stored, not stored and unknown."""
        if not self._accepted:
            self._roll_back(is_judge_right=True)  # only verdicts: nothing to sync
            return
        try:
            self._connection.execute("COMMIT")
        except BaseException as error:
            self._give_up(error)
        self._committed = self._head
        self._unmoved += BYTES_PER_COMMIT

    def _give_up(self, error: BaseException) -> NoReturn:
        if isinstance(error, sqlite3.Error) and is_refusal(error):
            self._roll_back()
            raise translate(error, self._path) from error
        # The commit record may have reached the disk although the sync failed (and after a failed sync the
        # operating system may drop pages silently): go on with a fresh connection, made when it is needed.
        self._lose_connection()
        raise OutcomeUnknown(
            f"{self._path}: the disk failed while a commit was under way ({error}). The append may or may not be "
            "stored. Check the disk, then retry with the same idempotency key."
        ) from error

    def _roll_back(self, *, is_judge_right: bool = False) -> None:
        self._clear()
        if not is_judge_right:
            self._data_version = -1  # the next batch asks the database again
        try:
            if self._connection.in_transaction:
                self._connection.execute("ROLLBACK")
        except sqlite3.Error:
            self._lose_connection()

    def _lose_connection(self) -> None:
        """Closing undoes what is not committed, and frees SQLite's own lock."""
        self._is_lost = True
        self._connection.close()

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
        except PER_WRITE_ERRORS as error:
            execute("ROLLBACK TO one_write")
            self._clear()
            self._judge.forget()
            self._head, self._accepted = before
            outcome = Failed(self._explain(error))
        execute("RELEASE one_write")
        return outcome

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
            self._unmoved += len(again.reply)
        for checkpoint in write.checkpoints:
            execute(STATEMENTS["write_checkpoint"], (checkpoint.name, checkpoint.position))
        for kept in write.snapshots:
            snapshot = (kept.stream, kept.version, kept.fingerprint, kept.state, self._head, self._recorded)
            execute(STATEMENTS["write_snapshot"], snapshot)
            self._unmoved += len(kept.state)

    def _flush(self) -> None:
        rows, self._rows = self._rows, []
        if rows:
            self._insert(rows)
            self._unmoved += BYTES_PER_ROW * len(rows) + sum([len(row[DATA]) for row in rows])
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
        if isinstance(error, sqlite3.IntegrityError) and "events.id" in str(error):
            return StoreError("An event id of this write is stored already. Nothing was stored; ids must be unique.")
        if isinstance(error, sqlite3.Error):
            return translate(error, self._path)
        return StoreError(f"A value of this write cannot be stored: {error}. Nothing was stored.")

    @property
    def is_checkpoint_due(self) -> bool:
        """Whether this process has made the write-ahead log long."""
        return self._unmoved > CHECKPOINT_BYTES

    def checkpoint(self) -> None:
        """Move committed pages from the write-ahead log into the file. Never while anybody commits."""
        if self._is_lost or not self.is_checkpoint_due:
            return
        self._unmoved = 0
        with self._lock.held(), translated(self._path):
            execute = self._connection.execute
            (_, pages, _) = execute("PRAGMA wal_checkpoint(PASSIVE)").fetchone()
            if pages > LONG_LOG_PAGES:
                # There always was a reader when the log could have begun anew: make the next ones wait a moment.
                (patience,) = execute("PRAGMA busy_timeout").fetchone()
                execute(f"PRAGMA busy_timeout = {RESTART_MILLIS}")
                execute("PRAGMA wal_checkpoint(RESTART)").fetchone()
                execute(f"PRAGMA busy_timeout = {patience}")

    def close(self) -> None:
        """Close the connection; the last one of all processes also empties the write-ahead log."""
        with suppress(StoreBusy), self._lock.held():
            self._connection.close()
        self._connection.close()  # whoever kept the lock has the file open, so ours is not the last connection
