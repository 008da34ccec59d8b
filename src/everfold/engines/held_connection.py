"""The connections that jobs and hooks are given: they may run any SQL, but a transaction is not theirs to end."""

from __future__ import annotations

import sqlite3
from collections.abc import Generator
from contextlib import contextmanager
from typing import Any, Literal, Protocol

from everfold.errors import StoreError, StoreReadOnly

__all__ = ["HeldConnection", "check_under_way", "driver_error", "only_reading"]


class HeldConnection(sqlite3.Connection):
    """``commit``, ``rollback`` and ``with`` end nothing: only who runs the job does, by statements of its own.

    So whatever is built on the driver (an SQL toolkit above all) can use it as if it were its own connection.
    """

    cache: dict[Any, Any]
    """For whoever uses the connection: what is kept here lives as long as it does."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self.cache = {}

    def commit(self) -> None:
        """Nothing: the transaction is committed when the job returns."""

    def rollback(self) -> None:
        """Nothing: the transaction is undone when the job raises."""

    def __exit__(self, *_: object) -> Literal[False]:
        return False


class _InTransaction(Protocol):
    @property
    def in_transaction(self) -> bool: ...


def check_under_way(connection: _InTransaction) -> None:
    """Some errors undo a whole transaction: in SQLite, statements that follow would be committed one by one."""
    if not connection.in_transaction:
        raise StoreError(
            "The transaction was ended while a job or a projection was using it. Nothing was stored. Let errors of the "
            "database pass, and begin or end no transactions there."
        )


def driver_error(error: BaseException) -> sqlite3.Error | None:
    """The driver's error: this one, or what it carries as ``orig``, as the errors of toolkits do."""
    found = getattr(error, "orig", error)
    return found if isinstance(found, sqlite3.Error) else None


@contextmanager
def only_reading() -> Generator[None]:
    """Says plainly that a job wrote on a connection that is ``query_only``: nothing is wrong with the file."""
    try:
        yield
    except Exception as error:
        if getattr(driver_error(error), "sqlite_errorcode", None) == sqlite3.SQLITE_READONLY:
            raise StoreReadOnly("A job that only reads tried to write. Give it to write(...) instead.") from error
        raise
