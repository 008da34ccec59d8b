"""A schema in a PostgreSQL database for the length of a test. Used by the pytest plugin's ``app_store``."""

from __future__ import annotations

import uuid
from collections.abc import Generator
from contextlib import closing, contextmanager

from everfold.engines.connect import connect, is_postgres
from everfold.errors import ConfigurationError

__all__ = ["passing_schema"]


@contextmanager
def passing_schema(database: str) -> Generator[str]:
    """The URL of a store that is not there yet, and with the block is gone again."""
    if not is_postgres(database):
        raise ConfigurationError(f"{database!r} is no PostgreSQL database. Give postgresql://user@host/database.")
    connect(database)  # MissingExtra tells what has to be installed
    from everfold.engines.postgres.connection import Connector
    from everfold.engines.postgres.store_url import StoreUrl, with_schema

    schema = f"test_{uuid.uuid4().hex}"
    url = with_schema(database, schema)
    parsed = StoreUrl.parse(url)
    if parsed.schema != schema:
        raise ConfigurationError("Give the database without a schema: each test has one of its own.")
    try:
        yield url
    finally:
        with closing(Connector(parsed.conninfo, shown=parsed.shown).connect()) as connection:
            connection.execute(f'DROP SCHEMA IF EXISTS "{schema}" CASCADE'.encode())
