"""Which stores a database holds, found without making or changing any. Used by commands that look into one."""

from __future__ import annotations

from everfold.engines.postgres.connection import Connector
from everfold.engines.postgres.failures import translated
from everfold.engines.postgres.store_url import StoreUrl

__all__ = ["stores_beside"]

MARKED = """
SELECT n.nspname::text FROM pg_catalog.pg_class AS c JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
WHERE c.relname = 'everfold_store' AND c.relkind = 'r' AND n.nspname NOT LIKE 'pg\\_%' ORDER BY 1
"""


def stores_beside(url: StoreUrl) -> list[str]:
    """The schemas of its database that are stores, also those that this user may not read."""
    connector = Connector(url.conninfo, shown=url.shown)
    connection = connector.connect()
    try:
        with translated(url.shown):
            return [schema for (schema,) in connection.execute(MARKED, prepare=False)]
    finally:
        connection.close()
