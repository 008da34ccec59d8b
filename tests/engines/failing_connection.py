"""SQLite connections that fail when a test says so. Used in the place of the engine's own connections."""

import sqlite3
from collections.abc import Callable, Generator
from contextlib import contextmanager
from typing import Any
from unittest.mock import patch

from everfold.engines.held_connection import HeldConnection

__all__ = ["FailingConnection", "failing", "sqlite_error"]

Fault = Callable[["FailingConnection", str], None]


def sqlite_error(code: int, message: str = "injected") -> sqlite3.OperationalError:
    """An error as the driver raises it."""
    error = sqlite3.OperationalError(message)
    error.sqlite_errorcode = code
    error.sqlite_errorname = "INJECTED"
    return error


class FailingConnection(HeldConnection):
    """Asks its class for a fault before each statement."""

    fault: Fault | None = None

    def execute(self, sql: str, /, parameters: Any = ()) -> sqlite3.Cursor:
        if (fault := type(self).fault) is not None:
            fault(self, sql)
        return super().execute(sql, parameters)

    def really(self, sql: str) -> None:
        """Execute without asking."""
        super().execute(sql)


@contextmanager
def failing(fault: Fault) -> Generator[None]:
    """Statements of failing connections meet this fault meanwhile."""
    FailingConnection.fault = fault
    try:
        yield
    finally:
        FailingConnection.fault = None


def failing_connections() -> Any:
    """A patch under which every new connection is a failing one."""
    return patch("everfold.engines.sqlite.connection.HeldConnection", FailingConnection)
