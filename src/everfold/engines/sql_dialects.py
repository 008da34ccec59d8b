"""One text of SQL for every dialect, and what PostgreSQL needs besides: many processes run the same jobs at once.

Used by whoever keeps tables of its own beside the log: bookkeeping, tokens. The functions run in jobs of a
``ReadDatabase``.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

__all__ = ["POSTGRESQL", "create_tables", "in_dialects", "take_turns"]

POSTGRESQL = "postgresql"
_NAME = re.compile(r"(?<!:):([a-z]+)")
_TABLE = re.compile(r"CREATE TABLE IF NOT EXISTS (\w+)")
_TURNS = 0x45564644
"""Ours among the advisory locks that other programs may take in the same database."""
_TAKE_TURNS = "SELECT pg_advisory_xact_lock(%s, hashtext(current_schema()))"
_COUNT_TABLES = (
    "SELECT count(*) FROM pg_catalog.pg_class WHERE relnamespace = current_schema()::regnamespace "
    "AND relkind IN ('r', 'p') AND relname = ANY(%s::name[])"
)


def in_dialects(statements: Mapping[str, str]) -> dict[str, dict[str, str]]:
    """Statements with parameters as in ``:name``, by dialect as its driver takes them."""
    return {
        "sqlite": dict(statements),
        POSTGRESQL: {name: _NAME.sub(r"%(\1)s", text.replace("%", "%%")) for name, text in statements.items()},
    }


def create_tables(connection: Any, dialect: str, statements: Sequence[str]) -> None:
    """Execute each ``CREATE TABLE IF NOT EXISTS``, for which no parameters are needed.

    Of PostgreSQL's sessions that execute the same one at once, all but one would fail. So they take turns, but not
    when all tables are there already: whoever starts then locks nothing.
    """
    if dialect == POSTGRESQL:
        names = [name for statement in statements for name in _TABLE.findall(statement)]
        (there,) = connection.execute(_COUNT_TABLES, (names,)).fetchone()
        if there == len(names):
            return
        take_turns(connection, dialect)
    for statement in statements:
        connection.execute(statement, {})


def take_turns(connection: Any, dialect: str) -> None:
    """From here to the end of the transaction, no other one that calls this goes on. What it reads next is up to date.

    Where one process at a time writes anyway, nothing is to be done. Call it before the first lock on a row, so that
    two can never wait for each other.
    """
    if dialect == POSTGRESQL:
        connection.execute(_TAKE_TURNS, (_TURNS,))
