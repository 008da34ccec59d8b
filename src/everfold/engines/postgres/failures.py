"""Turns the driver's errors into everfold's, in this one place. Used by everything that talks to PostgreSQL.

By the code that the server gives each error (https://www.postgresql.org/docs/current/errcodes-appendix.html).
"""

from __future__ import annotations

import re
from collections.abc import Generator
from contextlib import contextmanager

import psycopg

from everfold.engines.driver_errors import is_outage
from everfold.errors import StoreBusy, StoreCorrupt, StoreError, StoreFull, StoreReadOnly, StoreUnavailable

__all__ = ["IDLE_TOO_LONG", "infrastructure_error", "is_lost", "translate", "translated"]

IDLE_TOO_LONG = "25P03"
_UNREACHABLE = (StoreUnavailable, "the server cannot be reached. Check that it runs and that the URL is right")
_REFUSED = (StoreUnavailable, "the server refused the connection. Look up what it says")
_STOPPING = (StoreUnavailable, "the server is starting, stopping or ended the connection. Retry")
_BUSY = (StoreBusy, "others kept what was needed locked for too long. Retry, or raise lock_timeout")
_STANDBY = (StoreReadOnly, "the server only reads: a standby. Give the primary, or both hosts, in the URL")
_BY_CODE: dict[str, tuple[type[StoreError], str]] = {
    "08": _UNREACHABLE,
    "28": (StoreUnavailable, "the server refused the login. Check the user, the password and pg_hba.conf"),
    "3D000": (StoreUnavailable, "there is no such database. Create it (createdb), or correct the URL"),
    "42501": (StoreReadOnly, "the user may not do this. Let the owner of the database grant it the rights"),
    "25006": _STANDBY,
    "0A000": _STANDBY,  # what it says to the beginning of a transaction that may write
    "25P03": (StoreUnavailable, "the server ended a transaction in which this process was silent for too long. Retry"),
    "25P04": _BUSY,
    "40": _BUSY,
    "53100": (StoreFull, "the server's disk is full. Free space and go on"),
    "53300": (StoreUnavailable, "the server has no connection left. Lower pool_size, or raise max_connections"),
    "53": (StoreUnavailable, "the server lacks memory or another resource. Retry"),
    "54000": (StoreError, "a value is larger than PostgreSQL can hold. Store a reference to it"),
    "55P03": _BUSY,
    "57014": _BUSY,
    "57": _STOPPING,
    "58": (StoreUnavailable, "the server's disk reported an input/output error. Check the disk"),
    "3F000": (StoreError, "the schema is gone. Open the store again, or restore a backup"),
    "42P01": (StoreError, "a table of the store is gone. Open the store again, or restore a backup"),
    "XX001": (StoreCorrupt, "the database is damaged. Stop writing, copy it, and restore a backup"),
    "XX002": (StoreCorrupt, "an index is damaged. Stop writing, and REINDEX it or restore a backup"),
    "XX": (StoreUnavailable, "the server failed inside. Look into its log"),
}
_SAID = {
    "28": re.compile(r"authentication failed|pg_hba\.conf|role .* does not exist|not permitted to log in"),
    "3D000": re.compile(r"database .* does not exist"),
    "53300": re.compile(r"too many (connections|clients)|connection slots"),
    "57": re.compile(r"(starting up|shutting down|recovery|not .*accepting connections)"),
}
"""While a connection is made the driver tells the server's words, and no code."""


def translate(error: Exception, shown: str) -> StoreError:
    """The everfold error for a driver's error; nothing of what was under way is stored."""
    code = getattr(error, "sqlstate", None) or ""
    found = _BY_CODE.get(code) or _BY_CODE.get(code[:2])
    if not found:
        found = _without_code(str(error)) if is_lost(error) else (StoreError, "nothing was stored")
    error_class, advice = found
    said = str(error).strip().split("\n", maxsplit=1)[0]
    return error_class(f"{shown}: {advice}. (PostgreSQL says: {said}; {code or type(error).__name__})")


def _without_code(said: str) -> tuple[type[StoreError], str]:
    if "FATAL:" not in said:
        return _UNREACHABLE
    codes = [code for code, words in _SAID.items() if words.search(said)]
    return _BY_CODE[codes[0]] if codes else _REFUSED


def is_lost(error: BaseException) -> bool:
    """Whether the connection broke, so that the server had no chance to say more."""
    return isinstance(error, psycopg.OperationalError | psycopg.InterfaceError) and not error.sqlstate


def infrastructure_error(error: BaseException) -> psycopg.Error | None:
    """The driver's error in this one, if the server, the network or other programs are to blame, not SQL or values."""
    found = getattr(error, "orig", error)
    return found if isinstance(found, psycopg.Error) and is_outage(found) else None


@contextmanager
def translated(shown: str) -> Generator[None]:
    """Translate every driver error raised inside."""
    try:
        yield
    except psycopg.Error as error:
        raise translate(error, shown) from error
