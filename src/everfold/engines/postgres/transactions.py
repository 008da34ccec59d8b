"""The one connection of this process that writes to the log (another one: to the read models), a transaction at a time.

Used by the writer and for read models. Runs in the thread that writes. What happens in ``whole`` and ``commit`` decides
between stored, not stored and unknown; nothing else of the engine acknowledges anything.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple, NoReturn, TypeVar

import psycopg
from psycopg.errors import error_from_result
from psycopg.pq import DiagnosticField, ExecStatus, TransactionStatus
from psycopg.pq.abc import PGresult

from everfold.engines.held_connection import check_under_way
from everfold.engines.postgres.connection import HeldConnection, Link, send
from everfold.engines.postgres.failures import IDLE_TOO_LONG, infrastructure_error, translate
from everfold.errors import OutcomeUnknown, StoreError

__all__ = ["Limits", "Transactions"]

T = TypeVar("T")
SILENCE_SECONDS = 10
"""How long a transaction of several messages may hear nothing of its client: one that was stopped holds locks."""
COMMIT_SECONDS = 30
"""How long an append may take, waiting for its turn apart: it is canceled then, and its outcome perhaps unknown."""
BEGIN = "BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE;"


class Limits(NamedTuple):
    """How long what belongs to a transaction may take. Set for that transaction only."""

    lock_timeout: float
    """Seconds to wait for others."""

    @property
    def whole(self) -> str:
        """For a transaction of one message: its COMMIT, which may wait for a standby, ends some time."""
        waiting = max(int(self.lock_timeout * 1000), 1)
        return f"SET LOCAL lock_timeout={waiting};SET LOCAL statement_timeout={waiting + COMMIT_SECONDS * 1000};"

    @property
    def of_steps(self) -> str:
        """For a transaction of several messages: what each does may take its time, but its client has to go on."""
        waiting = max(int(self.lock_timeout * 1000), 1)
        silence = f"SET LOCAL idle_in_transaction_session_timeout={SILENCE_SECONDS * 1000};"
        return f"SET LOCAL lock_timeout={waiting};SET LOCAL statement_timeout=0;{silence}"

    @property
    def of_commit(self) -> str:
        """For the end of such a one."""
        return f"SET LOCAL statement_timeout={COMMIT_SECONDS * 1000};"


class Transactions:
    """Begins, commits and undoes them, and says honestly what became of each."""

    def __init__(self, link: Link, *, shown: str, limits: Limits, opening: str, closing: str = "COMMIT") -> None:
        """``opening``: what a transaction of several messages begins with; ``closing``: its commit and what follows."""
        self.shown = shown
        self._link = link
        self._opening_whole = f"{BEGIN}{limits.whole}"
        self._opening = f"{BEGIN}{limits.of_steps}{opening}"
        self._closing = closing
        self._closing_steps = f"{limits.of_commit}{closing}"

    def whole(self, statement: str) -> PGresult:
        """A transaction of one statement in one message: the statement's result, when all of it is durable.

        The server begins when the whole message has arrived: a client that is stopped holds no lock. Raises the
        driver's error, or a ``StoreError``, when surely nothing was stored.
        """
        connection = self._link.use()
        opened = self._opening_whole.count(";")
        results = self._send(connection, f"{self._opening_whole}{statement};{self._closing}", commit=opened + 1)
        return results[opened]

    def look(self, job: Callable[[HeldConnection], T]) -> T:
        """Look something up that belongs to what ``whole`` has just committed."""
        try:
            return job(self._link.use())
        except (psycopg.Error, StoreError) as error:
            raise self._unknown(str(error).strip()) from error

    def begin(self) -> HeldConnection:
        """Begin one of several messages."""
        connection = self._link.use()
        try:
            results = send(connection, self._opening)
        except psycopg.Error as error:
            self._lose(error)
        self._refuse_failed(connection, results)
        return connection

    def commit(self) -> None:
        """Make it durable."""
        self._send(self._link.use_begun(), self._closing_steps, commit=1)

    def _send(self, connection: HeldConnection, message: str, *, commit: int) -> list[PGresult]:
        """``commit``: which of the results is that of the COMMIT."""
        connection.warnings.clear()
        try:
            results = send(connection, message)
        except UnicodeEncodeError:
            raise  # it never left
        except BaseException as error:
            self._link.drop()
            raise self._unknown(str(error).strip() or type(error).__name__) from error
        self._refuse_failed(connection, results[: commit + 1], commit=commit)
        if len(results) <= commit:
            self._link.drop()
            raise self._unknown("the server did not answer to the end")
        if connection.warnings:  # the commit was not confirmed by the standbys that it has to wait for
            self._settle(connection)
            raise self._unknown(connection.warnings[0])
        if results[-1].status == ExecStatus.FATAL_ERROR:
            self._settle(connection)  # what failed came behind the commit: a hint to others, which they can do without
        return results

    def _refuse_failed(self, connection: HeldConnection, results: list[PGresult], *, commit: int | None = None) -> None:
        for number, result in enumerate(results):
            if result.status == ExecStatus.FATAL_ERROR:
                is_lost = result.error_field(DiagnosticField.SQLSTATE) is None
                has_ended = result.error_field(DiagnosticField.SEVERITY_NONLOCALIZED) != b"ERROR"
                error = error_from_result(result)
                self._settle(connection)
                has_ended = has_ended and error.sqlstate != IDLE_TOO_LONG  # before the commit had reached it
                if commit is not None and (is_lost or (has_ended and number == commit)):
                    raise self._unknown(str(error).strip()) from error
                raise error

    def _unknown(self, why: str) -> OutcomeUnknown:
        return OutcomeUnknown(
            f"{self.shown}: contact was lost while a commit was under way ({why}). It may or may not be stored. "
            "Retry with the same idempotency key."
        )

    def _lose(self, error: Exception) -> NoReturn:
        self._link.drop()
        raise translate(error, self.shown) from error

    def roll_back(self) -> None:
        """Undo it, if it is still under way."""
        if connection := self._link.current:
            self._settle(connection)

    def _settle(self, connection: HeldConnection) -> None:
        """Make the connection ready for the next transaction, or give it up."""
        try:
            if connection.pgconn.transaction_status == TransactionStatus.IDLE:
                return
            send(connection, "ROLLBACK")
        except psycopg.Error:
            self._link.drop()
        if connection.pgconn.transaction_status != TransactionStatus.IDLE:
            self._link.drop()

    def run(self, job: Callable[[Any], T]) -> T:
        """A whole transaction around the job, as ``ReadDatabase.write`` promises it."""
        try:
            connection = self.begin()
        except psycopg.Error as error:
            raise translate(error, self.shown) from error
        try:
            result = job(connection)
            check_under_way(connection)
        except BaseException as error:
            self.roll_back()
            if found := infrastructure_error(error):
                raise translate(found, self.shown) from error
            raise
        try:
            self.commit()
        except psycopg.Error as error:
            if found := infrastructure_error(error):
                raise translate(found, self.shown) from error
            raise
        return result
