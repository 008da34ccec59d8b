"""Makes an apsw connection look like the few members of ``sqlite3.Connection`` that the writer and the upgrades use.

A recording file system layer is only to be had through apsw. The engine's own ``connect`` runs on top, with the very
settings it gives to every connection. Errors stay apsw's, except the one the writer handles on its own.
"""

import sqlite3
from collections.abc import Callable, Generator, Iterable, Sequence
from contextlib import contextmanager
from types import SimpleNamespace
from typing import Any, cast
from unittest.mock import patch

import apsw

from everfold.engines.sqlite import connection as opening
from tests.reliability.power_loss.recording_vfs import NAME

__all__ = ["ApswConnection", "through_apsw"]

Value = int | float | str | bytes | None
Values = Sequence[Value] | dict[str, Value]


class ApswConnection:
    """One connection through the recording layer. Sabotaged stores subclass it."""

    def __init__(self, path: str) -> None:
        # apsw's stubs name a type that Python 3.11 does not have.
        self._apsw: Any = apsw.Connection(path, vfs=NAME)

    def execute(self, sql: str, parameters: Values = ()) -> Any:
        """Run one statement."""
        with _translated():
            return self._apsw.execute(sql, parameters)

    def executemany(self, sql: str, rows: Iterable[Values]) -> Any:
        """Run one statement for each row."""
        with _translated():
            return self._apsw.executemany(sql, rows)

    def executescript(self, script: str) -> None:
        """Run many statements."""
        self._apsw.execute(script).fetchall()

    def set_progress_handler(self, handler: Callable[[], bool], steps: int) -> None:
        """Have the handler called after every so many steps."""
        self._apsw.set_progress_handler(handler, steps)

    @property
    def in_transaction(self) -> bool:
        """Whether a transaction is under way."""
        return bool(self._apsw.in_transaction)

    def rollback(self) -> None:
        """Undo the transaction that is under way, if any."""
        if self.in_transaction:
            self._apsw.execute("ROLLBACK")

    def close(self) -> None:
        """Close the connection."""
        self._apsw.close()


@contextmanager
def _translated() -> Generator[None]:
    try:
        yield
    except apsw.ConstraintError as error:
        raise sqlite3.IntegrityError(str(error)) from error


@contextmanager
def through_apsw(kind: Callable[[str], ApswConnection]) -> Generator[None]:
    """Have the engine's ``connect`` open connections of this kind."""

    def connect(path: str, **_: object) -> sqlite3.Connection:
        return cast(sqlite3.Connection, kind(path))

    with patch.object(opening, "sqlite3", SimpleNamespace(connect=connect)):
        yield
