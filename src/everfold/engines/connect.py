"""Chooses the engine by the store's URL. Used by the app when it starts, and by the command line."""

from __future__ import annotations

from typing import Any

from everfold.clock import Clock
from everfold.errors import ConfigurationError, MissingExtra
from everfold.log.engine import Engine

__all__ = ["connect", "is_postgres"]


def connect(
    url: str,
    *,
    name: str | None = None,
    clock: Clock | None = None,
    lock_timeout: float = 30.0,
    synchronous: str = "full",
    pool_size: int = 4,
) -> Engine:
    """An engine, not yet open, for ``memory:``, ``postgresql://host/database``, or a SQLite file (a URL or plain path).

    ``name``: the application's; ``pool_size``: how many connections read. Both only matter to PostgreSQL, where an
    application has the schema of its name. ``synchronous`` only matters to SQLite.
    """
    scheme, colon, rest = url.partition(":")
    if scheme == "memory" and colon:
        from everfold.engines.memory.engine import MemoryEngine

        return MemoryEngine(clock=clock)
    if is_postgres(url):
        return _postgres(url, name=name, clock=clock, lock_timeout=lock_timeout, readers=pool_size)
    if scheme == "sqlite" and colon:
        path = "" if rest.startswith("//") and not rest.startswith("///") else rest.removeprefix("///")
    elif colon and rest.startswith("//"):
        raise ConfigurationError(
            f"The store {url!r} has an unknown scheme. Use sqlite:///file.db, a plain file path, "
            "postgresql://host/database, or memory:."
        )
    else:
        path = url
    if not path or path.startswith(":"):
        raise ConfigurationError(f"The store {url!r} names no file. Use for example sqlite:///bank.db, or memory:.")
    from everfold.engines.sqlite.engine import SqliteEngine

    return SqliteEngine(path, clock=clock, lock_timeout=lock_timeout, synchronous=synchronous)


def is_postgres(url: str) -> bool:
    """Whether this names a PostgreSQL database."""
    return url.startswith(("postgresql://", "postgres://"))


def _postgres(url: str, **options: Any) -> Engine:
    try:
        from everfold.engines.postgres.engine import PostgresEngine
    except ImportError as error:
        raise MissingExtra("A store in PostgreSQL", "postgres") from error
    return PostgresEngine(url, **options)
