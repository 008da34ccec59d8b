"""Writes batches: one durable transaction each, every write in it judged and accepted on its own.

Runs in the engine's writer thread. The judging is done by ``append_1`` in the server, under the lock of the head.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, TypeVar

import msgspec
import psycopg

from everfold.clock import Clock
from everfold.engines.continuation import check_continues
from everfold.engines.inline_hook import InlineHook
from everfold.engines.postgres.batch import Batch, Verdicts
from everfold.engines.postgres.connection import HeldConnection
from everfold.engines.postgres.failures import infrastructure_error, translate
from everfold.engines.postgres.literals import Unstorable
from everfold.engines.postgres.reader import Reader
from everfold.engines.postgres.restoring import copy_records, copy_tags
from everfold.engines.postgres.transactions import Transactions
from everfold.errors import EverfoldError, ProjectionFailed, StoreError
from everfold.log.checkpoint import Checkpoint
from everfold.log.idempotency import StoredReply
from everfold.log.read_database import AppendHook
from everfold.log.record import Record
from everfold.log.write import Appended, Failed, Outcome, Write

__all__ = ["Writer"]

UNSTORABLE = (
    psycopg.DataError,
    psycopg.IntegrityError,
    psycopg.errors.ProgramLimitExceeded,
    Unstorable,
    UnicodeEncodeError,
)
PER_WRITE_ERRORS = (*UNSTORABLE, ProjectionFailed)
T = TypeVar("T")


class Writer:
    """What this process writes to the log."""

    def __init__(self, transactions: Transactions, reader: Reader, *, clock: Clock) -> None:
        self._transactions = transactions
        self._reader = reader
        self._clock = clock
        self._inline: InlineHook | None = None
        self.head = 0
        """The highest position this process has stored."""
        self._left = -1, -1
        """Where the log ended, and how many jobs there had been, when our last transaction ended."""

    def hook(self, hook: AppendHook | None) -> None:
        """Have the hook called for every batch from the next one on."""
        self._inline = InlineHook(hook) if hook else None

    def append(self, writes: Sequence[Write]) -> list[Outcome]:
        """One batch, as ``Engine.append`` promises it."""
        try:
            if self._inline is None:
                return self._append_at_once(writes)
            return self._append_in_steps(partial(self._store, writes))
        except PER_WRITE_ERRORS as error:
            if self._is_of_batch(error):
                raise
            if len(writes) == 1:
                return [Failed(self._explain(error))]
            # One of them cannot be stored at all: again, each behind a savepoint, still in one commit.
            return self._append_in_steps(lambda connection: [self._store_apart(write, connection) for write in writes])
        except psycopg.Error as error:
            raise translate(error, self._transactions.shown) from error

    def _append_at_once(self, writes: Sequence[Write]) -> list[Outcome]:
        batch = Batch(writes)
        result = self._transactions.whole(self._reader.append(batch.arguments(self._clock.micros())))
        verdicts = Verdicts.of(*[(result.get_value(0, column) or b"").decode() for column in range(5)])
        keys = batch.repeated_keys(verdicts)
        replies = self._transactions.look(partial(self._reader.replies_of, keys)) if keys else {}
        outcomes = batch.outcomes(verdicts, replies)
        self._reached(_last_position(outcomes))
        return outcomes

    def confirm(self) -> None:
        """Return when all that is committed is on the standbys too: somebody may have given up waiting for them."""
        try:
            self._transactions.whole(self._reader.statement("confirm"))
        except psycopg.Error as error:
            raise translate(error, self._transactions.shown) from error

    def restore(
        self, records: Sequence[Record], replies: Sequence[StoredReply], checkpoints: Sequence[Checkpoint]
    ) -> None:
        """One transaction, as ``Transfer.restore`` promises it."""
        try:
            self._in_steps(partial(self._add_again, records, replies, checkpoints))
        except UNSTORABLE as error:
            if self._is_of_batch(error):
                raise
            raise self._explain(error) from error
        self._reached(records[-1].position if records else 0)

    def run(self, job: Callable[[Any], T]) -> T:
        """A transaction of somebody else between the batches; nobody appends meanwhile."""
        if self._inline:
            self._inline.outdate()

        def locked(connection: HeldConnection) -> T:
            self._reader.lock(connection)
            self._reader.execute(connection, "count_job")
            return job(connection)

        return self._transactions.run(locked)

    # --- transactions of several messages

    def _append_in_steps(self, work: Callable[[HeldConnection], list[Outcome]]) -> list[Outcome]:
        outcomes = self._in_steps(work)
        self._reached(_last_position(outcomes))
        return outcomes

    def _reached(self, position: int) -> None:
        """We have committed records up to here; if any, nobody else has written in between."""
        if position:
            self.head = position
            self._left = position, self._left[1]

    def _in_steps(self, work: Callable[[HeldConnection], T]) -> T:
        try:
            connection = self._transactions.begin()
            self._begin(connection)
            result = work(connection)
        except BaseException as error:
            self._roll_back()
            if found := infrastructure_error(error):
                raise translate(found, self._transactions.shown) from error
            raise
        self._commit()
        return result

    def _begin(self, connection: HeldConnection) -> None:
        locked = self._reader.lock(connection)
        is_changed = (locked.head, locked.jobs) != self._left
        self._left = locked.head, locked.jobs
        self._begin_hook(connection, locked.head, is_changed=is_changed)

    def _begin_hook(self, connection: HeldConnection, head: int, *, is_changed: bool) -> None:
        if self._inline:
            read = self._reader.within(connection, head)
            self._inline.begin(connection, head=head, is_changed=is_changed, read=read)

    def _commit(self) -> None:
        try:
            self._transactions.commit()
        except BaseException:
            self._roll_back()
            raise
        if self._inline:
            self._inline.end(is_committed=True)

    def _roll_back(self) -> None:
        self._transactions.roll_back()
        if self._inline:
            self._inline.end(is_committed=False)

    def _is_of_batch(self, error: BaseException) -> bool:
        """Whether no single write is to blame for the error, whatever its class."""
        return self._inline is not None and self._inline.has_failed_with(error)

    def _store(self, writes: Sequence[Write], connection: HeldConnection) -> list[Outcome]:
        batch = Batch(writes)
        statement = self._reader.append(batch.arguments(self._clock.micros()))
        row = connection.execute(statement.encode(), prepare=False).fetchone() or ()
        verdicts = Verdicts.of(*[str(value) for value in row])
        if self._inline and any(first is not None for first in verdicts.firsts):
            self._inline.store(batch.records(verdicts))
        keys = batch.repeated_keys(verdicts)
        return batch.outcomes(verdicts, self._reader.replies_of(keys, connection) if keys else {})

    def _store_apart(self, write: Write, connection: HeldConnection) -> Outcome:
        """As ``_store``, but what cannot be stored is undone and fails this write only."""
        connection.execute("SAVEPOINT one_write")
        try:
            (outcome,) = self._store([write], connection)
        except PER_WRITE_ERRORS as error:
            if self._is_of_batch(error):
                raise
            connection.execute("ROLLBACK TO one_write")
            if self._inline:
                self._inline.end(is_committed=False)
                self._begin_hook(connection, self._reader.lock(connection).head, is_changed=True)
            outcome = Failed(self._explain(error))
        connection.execute("RELEASE one_write")
        return outcome

    def _add_again(
        self,
        records: Sequence[Record],
        replies: Sequence[StoredReply],
        checkpoints: Sequence[Checkpoint],
        connection: HeldConnection,
    ) -> None:
        reader = self._reader
        head, recorded, _ = reader.lock(connection)
        check_continues(records, head=head, recorded=recorded, version=partial(reader.version_of, connection))
        copy_records(connection, reader.schema, records)
        copy_tags(connection, reader.schema, records)
        for reply in replies:
            reader.execute(connection, "insert_reply", **msgspec.structs.asdict(reply))
        for checkpoint in checkpoints:
            reader.execute(connection, "write_checkpoint", **msgspec.structs.asdict(checkpoint))
        if self._inline and records:
            self._inline.store(records)

    def _explain(self, error: Exception) -> EverfoldError:
        if isinstance(error, ProjectionFailed):
            return error
        if isinstance(error, psycopg.IntegrityError) and error.diag.constraint_name == "events_by_id":
            return StoreError("An event id of this write is stored already. Nothing was stored; ids must be unique.")
        if isinstance(error, psycopg.Error):
            return translate(error, self._transactions.shown)
        return StoreError(f"A value of this write cannot be stored: {error}. Nothing was stored.")


def _last_position(outcomes: Sequence[Outcome]) -> int:
    return max((outcome.last for outcome in outcomes if isinstance(outcome, Appended)), default=0)
