"""Whose fault an error of a database driver is: the database's, or that of the SQL and its values. Knows every driver.

Used by the read side, which has to park an event that is to blame and must not park one that is not. PostgreSQL's
driver is known by its errors' five characters (https://www.postgresql.org/docs/current/errcodes-appendix.html), and is
not imported: it need not be installed. Errors of an SQL toolkit carry the driver's as ``orig``.
"""

from __future__ import annotations

import sqlite3

__all__ = ["is_in_use", "is_of_the_row", "is_out_of_range", "is_outage", "is_spoilt", "sqlstate"]

_SQLITE_OUTAGES = frozenset(
    {
        sqlite3.SQLITE_BUSY,
        sqlite3.SQLITE_LOCKED,
        sqlite3.SQLITE_NOMEM,
        sqlite3.SQLITE_READONLY,
        sqlite3.SQLITE_IOERR,
        sqlite3.SQLITE_CORRUPT,
        sqlite3.SQLITE_FULL,
        sqlite3.SQLITE_CANTOPEN,
        sqlite3.SQLITE_NOTADB,
    }
)
_SQLITE_ROWS = (sqlite3.IntegrityError, sqlite3.DataError, sqlite3.ProgrammingError, sqlite3.InterfaceError)
_OUTAGE_CLASSES = frozenset({"08", "28", "3D", "3F", "40", "53", "57", "58", "72", "F0", "XX"})
"""Connections, who may connect, no such database or schema, undone by the server (a deadlock), resources, operators
(a restart, a cancelled statement), the disk, old snapshots, configuration, the server itself."""
_OUTAGES = frozenset({"25006", "25P03", "25P04", "42501", "55006", "55P03"})
"""A standby that only reads, a transaction that took too long, no permission, in use, locked."""
_ROW_CLASSES = frozenset({"21", "22", "23", "42", "44", "54", "P0"})
"""A row twice, values, constraints, types, a view's condition, sizes, what a trigger raised."""
_TABLES = frozenset({"42P01", "42703"})
"""No such table or column: whatever the row, it could not be written."""
_SPOILT = "25P02"
_IN_USE = frozenset({"55P03", "2BP01"})
_OUT_OF_RANGE = frozenset({"22003", "22008", "22021"})
"""A number, a moment, or text that no column can hold."""


def is_outage(error: BaseException) -> bool:
    """Whether the database is to blame, whatever was executed: trying again later may help, parking does not."""
    found = _of_driver(error)
    code = getattr(found, "sqlite_errorcode", None)
    if isinstance(code, int):
        return code & 0xFF in _SQLITE_OUTAGES
    state = sqlstate(found)
    if state is not None:
        return state[:2] in _OUTAGE_CLASSES or state in _OUTAGES
    return "OperationalError" in _psycopg_classes(found)  # no connection to tell one by


def is_of_the_row(error: BaseException) -> bool:
    """Whether a row that was being written is to blame, or what was done before it in its transaction."""
    found = _of_driver(error)
    state = sqlstate(found)
    if state is not None:
        return state == _SPOILT or (state[:2] in _ROW_CLASSES and state not in _TABLES and not is_outage(found))
    return isinstance(found, _SQLITE_ROWS) or not _psycopg_classes(found).isdisjoint({"DataError", "ProgrammingError"})


def is_spoilt(error: BaseException | None) -> bool:
    """Whether it only says that an earlier statement of the transaction failed: PostgreSQL then refuses all others."""
    return error is not None and sqlstate(error) == _SPOILT


def is_in_use(error: BaseException) -> bool:
    """Whether others had a lock for longer than we wait for it, or built on what is to go."""
    return sqlstate(error) in _IN_USE


def is_out_of_range(error: BaseException) -> bool:
    """Whether a value can be in no column of its type, so that no row can have it."""
    found = _of_driver(error)
    state = sqlstate(found)
    if state is not None:
        return state in _OUT_OF_RANGE
    return isinstance(found, OverflowError) or "DataError" in _psycopg_classes(found)


def sqlstate(error: BaseException) -> str | None:
    """The five characters that PostgreSQL told; None: it told nothing, or it is not PostgreSQL's."""
    state = getattr(_of_driver(error), "sqlstate", None)
    return state if isinstance(state, str) else None


def _of_driver(error: BaseException) -> BaseException:
    found = getattr(error, "orig", None)
    return found if isinstance(found, BaseException) else error


def _psycopg_classes(error: BaseException) -> frozenset[str]:
    """The names of the error's classes, if the driver made it without the server (no connection, or a NUL in text)."""
    if not type(error).__module__.startswith("psycopg"):
        return frozenset()
    return frozenset(each.__name__ for each in type(error).__mro__)
