"""Calls the hook of inline read models as its port promises, and keeps what must not be forgotten between the calls.

Used by every engine, in the transaction of each append.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from typing import Any

from everfold.engines.held_connection import check_under_way
from everfold.errors import ProjectionFailed
from everfold.log.read_database import AppendHook, ReadRecords
from everfold.log.record import Record

__all__ = ["InlineHook"]

_log = logging.getLogger("everfold.engines")


class InlineHook:
    """A hook, whether it is in a transaction, and whether it may believe what it remembers."""

    def __init__(self, hook: AppendHook) -> None:
        self._hook = hook
        self._has_begun = False
        self._is_current = False
        self._failure: BaseException | None = None

    def begin(self, connection: Any, *, head: int, is_changed: bool, read: ReadRecords) -> None:
        """A transaction has begun, or goes on behind a savepoint."""
        self._connection = connection
        self._failure = None
        self._has_begun = True
        is_changed = is_changed or not self._is_current
        self._call(lambda: self._hook.begin(connection, head=head, is_changed=is_changed, read=read))

    def store(self, records: Sequence[Record]) -> None:
        """Apply the records; afterwards their rows are in the tables. Raises what the hook raises."""
        try:
            self._call(lambda: self._apply(records))
        except ProjectionFailed:
            self._failure = None  # a write is to blame, not the batch
            raise

    def _apply(self, records: Sequence[Record]) -> None:
        if records:
            self._hook.apply(records)
            check_under_way(self._connection)  # or the rows would be committed without their records
        self._hook.flush()

    def _call(self, work: Callable[[], None]) -> None:
        try:
            work()
            check_under_way(self._connection)
        except BaseException as error:
            self._failure = error
            raise

    def has_failed_with(self, error: BaseException) -> bool:
        """Whether the hook raised this, for a reason that no single write is to blame for."""
        return error is self._failure

    def outdate(self) -> None:
        """Somebody else wrote to the tables."""
        self._is_current = False

    def end(self, *, is_committed: bool) -> None:
        """The transaction has ended, whether or not the hook got to know of it."""
        self._is_current = is_committed
        if not self._has_begun:
            return
        self._has_begun = False
        try:
            self._hook.end(is_committed=is_committed)
        except Exception:  # what is committed is committed: this must not look like a failed append
            self._is_current = False
            _log.exception("the hook of inline read models failed after a transaction had ended")
