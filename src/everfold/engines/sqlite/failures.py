"""Turns the driver's errors into everfold's, in this one place. Used by everything that touches SQLite."""

from __future__ import annotations

import sqlite3
from collections.abc import Generator
from contextlib import contextmanager

from everfold.engines.held_connection import driver_error
from everfold.engines.sqlite.file_kind import LOG, FileKind
from everfold.errors import (
    NotAStore,
    StoreBusy,
    StoreCorrupt,
    StoreError,
    StoreFull,
    StoreReadOnly,
    StoreUnavailable,
)

__all__ = ["infrastructure_error", "is_busy", "is_refusal", "translate", "translated"]

_PRIMARY_CODE = 0xFF
_BUSY = frozenset({sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED, sqlite3.SQLITE_PROTOCOL})
_REFUSALS = _BUSY | {sqlite3.SQLITE_FULL, sqlite3.SQLITE_READONLY, sqlite3.SQLITE_PERM}
_BY_CODE: dict[int, tuple[type[StoreError], str]] = {
    sqlite3.SQLITE_BUSY: (StoreBusy, "another program kept the file locked. Retry, or raise lock_timeout"),
    sqlite3.SQLITE_LOCKED: (StoreBusy, "another program kept the file locked. Retry, or raise lock_timeout"),
    sqlite3.SQLITE_PROTOCOL: (StoreBusy, "other programs opened the file all the time. Retry"),
    sqlite3.SQLITE_FULL: (StoreFull, "the disk or the file's size limit is full. Free space and go on"),
    sqlite3.SQLITE_READONLY: (
        StoreReadOnly,
        "the file or its folder cannot be written. Mend its permissions",
    ),
    sqlite3.SQLITE_PERM: (StoreReadOnly, "the file may not be accessed. Mend its permissions"),
    sqlite3.SQLITE_NOTADB: (NotAStore, "the file is not {name}: {otherwise}"),
    sqlite3.SQLITE_CORRUPT: (StoreCorrupt, "the file is damaged. {repair}"),
    sqlite3.SQLITE_CANTOPEN: (StoreUnavailable, "the file cannot be opened. Check that its folder exists"),
    sqlite3.SQLITE_IOERR: (StoreUnavailable, "the disk reported an input/output error. Check the disk"),
    sqlite3.SQLITE_TOOBIG: (StoreError, "a value is larger than SQLite can hold. Store a reference to it"),
}
_INFRASTRUCTURE = frozenset(_BY_CODE) - {sqlite3.SQLITE_TOOBIG}


def translate(error: Exception, path: str, kind: FileKind = LOG) -> StoreError:
    """The everfold error for a driver's error; nothing of what was under way is stored."""
    error_class, advice = _BY_CODE.get(_code(error) or sqlite3.SQLITE_ERROR, (StoreError, "nothing was stored"))
    advice = advice.format(name=kind.name, otherwise=kind.otherwise, repair=kind.repair)
    name = getattr(error, "sqlite_errorname", None) or type(error).__name__
    return error_class(f"{path}: {advice}. (SQLite says: {error}; {name})")


def infrastructure_error(error: BaseException) -> sqlite3.Error | None:
    """The driver's error in this one, if the file, the disk or other programs are to blame, and not SQL or values."""
    found = driver_error(error)
    return found if found and _code(found) in _INFRASTRUCTURE else None


def is_busy(error: Exception) -> bool:
    """Whether somebody else's lock is in the way, so that trying again later helps."""
    return _primary_code(error) in _BUSY


def is_refusal(error: Exception) -> bool:
    """Whether a commit that failed with this error surely stored nothing.

    SQLite refused it, or could not write all of it. After any other error, a failed sync above all, the
    commit record may lie on the disk: nobody can tell.
    """
    return _primary_code(error) in _REFUSALS


def _primary_code(error: Exception) -> int | None:
    code = getattr(error, "sqlite_errorcode", None)
    return None if code is None else int(code) & _PRIMARY_CODE


def _code(error: Exception) -> int | None:
    code = _primary_code(error)
    if code is None and "decode" in str(error):
        return sqlite3.SQLITE_CORRUPT  # stored text is no UTF-8 any more, and the driver gives no code for it
    return code


@contextmanager
def translated(path: str, kind: FileKind = LOG) -> Generator[None]:
    """Translate every driver error raised inside."""
    try:
        yield
    except sqlite3.Error as error:
        raise translate(error, path, kind) from error
