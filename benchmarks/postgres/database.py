"""The server that a work runs on, and schemas in it."""

from __future__ import annotations

import os
import secrets
import sys
import tempfile
from collections.abc import Generator
from contextlib import ExitStack, contextmanager
from urllib.parse import quote

import psycopg
from psycopg import Connection
from psycopg.sql import SQL, Identifier

from benchmarks.machine import disk_folder
from benchmarks.raw_side import Row
from everfold.engines.statements import load_statements
from tests.postgres.server import PostgresServer

__all__ = ["Database", "database"]

VARIABLE = "EVERFOLD_BENCH_POSTGRES"
# The tests' server is small: back to what PostgreSQL comes with.
DEFAULTS = {"shared_buffers": "128MB", "dynamic_shared_memory_type": "posix"}
RELATIONS = load_statements("benchmarks.postgres", "raw.sql")["relations"].encode()
DURABLE = ("fsync", "synchronous_commit", "full_page_writes")


class Database:
    """Where it is."""

    def __init__(self, url: str) -> None:
        self.address = url
        """For libpq."""

    def url(self, schema: str) -> str:
        """For everfold."""
        return f"{self.address}{'&' if '?' in self.address else '?'}schema={quote(schema)}"

    def connect(self) -> Connection[Row]:
        """A connection that commits each statement."""
        return psycopg.connect(self.address, autocommit=True)

    @property
    def title(self) -> str:
        """What the works call it: with its version, and what it does not do for durability."""
        with self.connect() as connection:
            major = connection.info.server_version // 10_000
            found = {name: connection.execute("SELECT current_setting(%s)", (name,)).fetchone() for name in DURABLE}
        lacking = [name for name, setting in found.items() if setting != ("on",)]
        return f"PostgreSQL {major}" + "".join(f", {name} is off" for name in lacking)

    def settle(self) -> None:
        """Do now what the server does by itself some minutes after much was written."""
        with self.connect() as connection:
            connection.execute("VACUUM ANALYZE")
            connection.execute("CHECKPOINT")

    @contextmanager
    def only_now(self, schema: str) -> Generator[None]:
        """What is made in the schema meanwhile is dropped afterwards, so that read models are built again."""
        with self.connect() as connection:
            before = set(connection.execute(RELATIONS, (schema,)).fetchall())
            yield
            for kind, name in set(connection.execute(RELATIONS, (schema,)).fetchall()) - before:
                connection.execute(SQL("DROP " + kind + " IF EXISTS {} CASCADE").format(Identifier(schema, name)))

    @contextmanager
    def new_schema(self) -> Generator[str]:
        """The name of an empty schema that is dropped afterwards."""
        name = f"bench_{secrets.token_hex(4)}"
        try:
            with self.connect() as connection:
                connection.execute(SQL("CREATE SCHEMA {}").format(Identifier(name)))
            yield name
        finally:
            with self.connect() as connection:
                connection.execute(SQL("DROP SCHEMA IF EXISTS {} CASCADE").format(Identifier(name)))


@contextmanager
def database() -> Generator[Database]:
    """A server's database: one that was named, or of a server that is started for it and removed with all its data."""
    with ExitStack() as stack:
        url = os.environ.get(VARIABLE)
        if not url:
            if sys.platform == "win32":
                raise SystemExit(f"No server is started on Windows: name one by {VARIABLE}=postgresql://...")
            stack.enter_context(_temporary_files_on_disk())
            server = PostgresServer()
            server.configure(**DEFAULTS)  # before it starts
            url = stack.enter_context(server).url()
        yield Database(url)


@contextmanager
def _temporary_files_on_disk() -> Generator[None]:
    before, tempfile.tempdir = tempfile.tempdir, str(disk_folder())
    try:
        yield
    finally:
        tempfile.tempdir = before
