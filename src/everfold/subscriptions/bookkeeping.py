"""What a database keeps of those who follow the log: positions, leases, events set aside. One file of SQL for all.

The same four tables lie in every database that has consumers, beside what the consumers write, so that their rows and
their position change in one transaction. Functions here run in jobs of a ``ReadDatabase``.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

import msgspec

from everfold.engines.statements import load_statements

__all__ = ["Amended", "ConsumerRow", "Parked", "execute", "executemany", "prepare", "rows"]

_SQL = load_statements("everfold.subscriptions", "bookkeeping.sql")
_NAME = re.compile(r"(?<!:):([a-z]+)")
_STATEMENTS = {
    "sqlite": _SQL,
    "postgresql": {name: _NAME.sub(r"%(\1)s", text) for name, text in _SQL.items()},
}
_CREATE = ("create_consumers", "create_parked", "create_amended", "create_leases")


class ConsumerRow(msgspec.Struct, frozen=True):
    """One build of one consumer."""

    name: str
    build: int
    fingerprint: str
    """Of the code and shape that the build was made with."""
    state: str
    """``active``, ``building`` or ``retired``."""
    position: int
    """Every record up to here has been dealt with."""
    changed: int
    """The last position that changed anything."""
    token: int
    """The highest fencing token that has written."""
    epoch: int
    """Counts the changes that others made to its rows."""
    paused: str | None
    """Why it waits."""
    recorded: int
    """When it last moved, in microseconds since 1970 UTC."""


class Parked(msgspec.Struct, frozen=True):
    """An event that a consumer gave up on, or one that waits behind such an event."""

    name: str
    build: int
    position: int
    stream: str
    type: str
    state: str
    """``parked``, or ``waiting`` behind a parked one of its stream."""
    attempts: int
    error: str
    traceback: str
    parked: int
    """When, in microseconds since 1970 UTC."""


class Amended(msgspec.Struct, frozen=True):
    """An event that a consumer is given otherwise than it was recorded. The record itself never changes."""

    position: int
    data: str | None
    """The event's fields as JSON text; None: the consumer skips it."""
    reason: str
    actor: str
    amended: int


def prepare(connection: Any, dialect: str) -> None:
    """Make the tables if they are not there. Called when an application starts."""
    for name in _CREATE:
        execute(connection, dialect, name)


def execute(connection: Any, dialect: str, statement: str, /, **values: object) -> Any:
    """Execute a statement of ``bookkeeping.sql``; the driver's cursor."""
    return connection.execute(_STATEMENTS[dialect][statement], values)


def executemany(connection: Any, dialect: str, statement: str, values: Iterable[Mapping[str, object]]) -> None:
    """Execute a statement for each of these."""
    connection.executemany(_STATEMENTS[dialect][statement], values)


def rows(connection: Any, dialect: str, statement: str, kind: Any, /, **values: object) -> list[Any]:
    """What a statement finds, as structs of this kind."""
    return [kind(*row) for row in execute(connection, dialect, statement, **values).fetchall()]
