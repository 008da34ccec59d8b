"""What a database keeps of those who follow the log: positions, leases, events set aside. One file of SQL for all.

The same four tables lie in every database that has consumers, beside what the consumers write, so that their rows and
their position change in one transaction. Functions here run in jobs of a ``ReadDatabase``.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import msgspec

from everfold.engines.sql_dialects import POSTGRESQL, create_tables, in_dialects, take_turns
from everfold.engines.statements import load_statements

__all__ = ["Amended", "ConsumerRow", "Parked", "begin_batch", "execute", "executemany", "prepare", "rows", "take_turns"]

_STATEMENTS = in_dialects(load_statements("everfold.subscriptions", "bookkeeping.sql"))
_OTHERWISE = in_dialects(load_statements("everfold.subscriptions", "bookkeeping_postgresql.sql"))
_STATEMENTS[POSTGRESQL] |= _OTHERWISE[POSTGRESQL]
_CREATE = ("create_consumers", "create_parked", "create_amended", "create_leases")
_OF_MANY = frozenset({"pause", "touch_all", "forget_owners"})
"""They lock several rows: two of them could else wait for each other."""


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
    create_tables(connection, dialect, [_STATEMENTS[dialect][name] for name in _CREATE])


def execute(connection: Any, dialect: str, statement: str, /, **values: object) -> Any:
    """Execute a statement of ``bookkeeping.sql``; the driver's cursor."""
    if statement in _OF_MANY:
        take_turns(connection, dialect)
    return connection.execute(_STATEMENTS[dialect][statement], _storable(values))


def executemany(connection: Any, dialect: str, statement: str, values: Iterable[Mapping[str, object]]) -> None:
    """Execute a statement for each of these."""
    connection.executemany(_STATEMENTS[dialect][statement], [_storable(each) for each in values])


def begin_batch(connection: Any, dialect: str, *, name: str, build: int, token: int) -> Any:
    """Take the fence: a row of state, position, changed, epoch and paused; None: a newer token was seen.

    Until the transaction ends, nobody else gets as far as this with the same build.
    """
    values = {"name": name, "build": build, "token": token}
    if dialect == POSTGRESQL:
        found = execute(connection, dialect, "lock_build", **values).fetchone()
        if found is not None:
            return found
    return execute(connection, dialect, "begin_batch", **values).fetchone()


def rows(connection: Any, dialect: str, statement: str, kind: Any, /, **values: object) -> list[Any]:
    """What a statement finds, as structs of this kind."""
    return [kind(*row) for row in execute(connection, dialect, statement, **values).fetchall()]


def _storable(values: Mapping[str, object]) -> dict[str, object]:
    """The values, with text as every database takes it: that of an error may hold anything."""
    return {name: _plain(value) if type(value) is str else value for name, value in values.items()}


def _plain(text: str) -> str:
    if text.isascii():
        return text if "\0" not in text else text.replace("\0", "\\x00")
    return text.replace("\0", "\\x00").encode("utf-8", "backslashreplace").decode()
