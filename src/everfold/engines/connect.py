"""Chooses the engine by the store's URL. Used by the app when it starts, and by the command line."""

from __future__ import annotations

from everfold.clock import Clock
from everfold.errors import ConfigurationError
from everfold.log.engine import Engine

__all__ = ["connect"]


def connect(url: str, *, clock: Clock | None = None, lock_timeout: float = 30.0, synchronous: str = "full") -> Engine:
    """An engine, not yet open, for ``memory:``, ``sqlite:///path/to/file.db``, or the plain path of a SQLite file."""
    scheme, colon, rest = url.partition(":")
    if scheme == "memory" and colon:
        from everfold.engines.memory.engine import MemoryEngine

        return MemoryEngine(clock=clock)
    if scheme == "sqlite" and colon:
        path = "" if rest.startswith("//") and not rest.startswith("///") else rest.removeprefix("///")
    elif colon and rest.startswith("//"):
        raise ConfigurationError(
            f"The store {url!r} has an unknown scheme. Use sqlite:///file.db, a plain file path, or memory:."
        )
    else:
        path = url
    if not path or path.startswith(":"):
        raise ConfigurationError(f"The store {url!r} names no file. Use for example sqlite:///bank.db, or memory:.")
    from everfold.engines.sqlite.engine import SqliteEngine

    return SqliteEngine(path, clock=clock, lock_timeout=lock_timeout, synchronous=synchronous)
