"""A store as commands find it, of either kind: whether it is there, what it is called, what ``doctor`` says of it.

The only place of the command line that tells one kind of store from another.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from everfold.errors import ConfigurationError

if TYPE_CHECKING:
    from everfold.cli.checkup import Finding
    from everfold.engines.sqlite.engine import SqliteEngine
    from everfold.log.engine import Engine

__all__ = ["FoundStore", "find_store", "stores_here"]

READERS = 2
"""Connections that a command reads with."""
SHOWN = 10


class FoundStore(Protocol):
    """A store that a URL names. Nothing is made by asking."""

    @property
    def engine(self) -> Engine:
        """Not yet open. Opening it makes a store, where there is none."""
        ...

    @property
    def place(self) -> str:
        """How it is called, without a password."""
        ...

    def missing(self) -> str | None:
        """None when it is there, else what there is to say. Raises StoreError and ConfigurationError."""
        ...

    def at_rest(self) -> Sequence[Finding]:
        """What ``doctor`` says before it is opened."""
        ...

    async def opened(self) -> Sequence[Finding]:
        """What ``doctor`` says of it when it is open."""
        ...

    async def has_bookkeeping(self, *, is_inline: bool) -> bool:
        """Whether some process has begun to keep read models. It is open."""
        ...


def find_store(url: str) -> FoundStore:
    """The store of this URL, which may not be there. ConfigurationError when none can be meant by it."""
    from everfold.engines.connect import connect, is_postgres

    engine: Any = connect(url)
    if is_postgres(url):
        return PostgresStore(url)
    if url.startswith("memory:"):
        raise ConfigurationError("A memory: store lives inside its own process: there is nothing to look into.")
    return SqliteStore(engine)


class SqliteStore:
    """A file."""

    def __init__(self, engine: SqliteEngine) -> None:
        self.engine = engine
        self.place = engine.path

    def missing(self) -> str | None:
        """A file that is not there, or has nothing in it yet."""
        path = Path(self.engine.path)
        if not path.exists():
            return f"There is no store {path}. Nothing was made; check the path.{stores_here()}"
        if path.is_file() and not path.stat().st_size:
            return f"The file {path} is empty: it is no store yet. Nothing was made."
        return None

    def at_rest(self) -> Sequence[Finding]:
        """Its disk."""
        from everfold.cli.checkup import disk

        return list(disk(Path(self.engine.path)))

    async def opened(self) -> Sequence[Finding]:
        """Its settings."""
        from everfold.cli.checkup import sqlite_file

        return await sqlite_file(self.engine)

    async def has_bookkeeping(self, *, is_inline: bool) -> bool:
        """Without making the file of the read models by looking."""
        from everfold.engines.sqlite.read_database import views_path

        if not is_inline and not await asyncio.to_thread(Path(views_path(self.engine.path)).exists):
            return False

        def look(connection: Any) -> bool:
            found = connection.execute("SELECT 1 FROM sqlite_schema WHERE name = 'everfold_consumers'").fetchone()
            return found is not None

        return await (self.engine.beside if is_inline else self.engine.views).read(look)


class PostgresStore:
    """A schema of a database. Where the URL names none, the only one that is a store."""

    def __init__(self, url: str) -> None:
        from everfold.engines.postgres.engine import PostgresEngine
        from everfold.engines.postgres.store_url import StoreUrl, hidden, with_schema
        from everfold.engines.postgres.stores import stores_beside

        parsed = StoreUrl.parse(url)
        self._there = stores_beside(parsed)
        self._database = hidden(parsed.conninfo)
        if not parsed.is_schema_given and self._there:
            url = with_schema(url, self._only_one())
        self.engine = PostgresEngine(url, readers=READERS)
        self.place = hidden(url)

    def _only_one(self) -> str:
        if len(self._there) > 1:
            raise ConfigurationError(
                f"There are {len(self._there)} stores in {self._database}. Say which: --app MODULE:NAME, or "
                f"?schema=NAME at the end of the URL. {self._named()}"
            )
        return self._there[0]

    def _named(self) -> str:
        more = f" and {len(self._there) - SHOWN:,} more" if len(self._there) > SHOWN else ""
        return f"Stores in this database: {', '.join(self._there[:SHOWN])}{more}." if self._there else ""

    def missing(self) -> str | None:
        """A schema that is not there, or is none of ours."""
        if not self._there:
            return f"There is no store in {self._database}. Nothing was made."
        schema = self.engine.url.schema
        if schema in self._there:
            return None
        return f"There is no store in the schema {schema!r} of {self._database}. Nothing was made. {self._named()}"

    def at_rest(self) -> Sequence[Finding]:
        """All that can be told needs a connection."""
        return ()

    async def opened(self) -> Sequence[Finding]:
        """The server, its settings, the schema."""
        from everfold.cli.postgres_checkup import postgres_store

        return await postgres_store(self.engine)

    async def has_bookkeeping(self, *, is_inline: bool) -> bool:
        """The same for those that are written with the log, and those that follow it."""
        schema = self.engine.url.schema

        def look(connection: Any) -> bool:
            found = connection.execute(
                "SELECT 1 FROM pg_catalog.pg_tables WHERE schemaname = %s AND tablename = 'everfold_consumers'",
                [schema],
            ).fetchone()
            return found is not None

        return await self.engine.views.read(look)


def stores_here() -> str:
    """What the folder has, for those who gave a wrong path or none."""
    from everfold.engines.sqlite.connection import APPLICATION_ID

    mark = APPLICATION_ID.to_bytes(4, "big")
    found: list[str] = []
    for path in sorted(Path().glob("*.db"))[:100]:
        try:
            with path.open("rb") as file:
                found += [path.name] if file.read(72)[68:] == mark else []
        except OSError:
            continue
    return f" Stores in this folder: {', '.join(found[:5])}." if found else ""
