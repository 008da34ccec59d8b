"""Many rows of a table at once: write them, delete them, read those with some keys. Used by ``table``.

SQLite takes rows one by one, in the same process. PostgreSQL is told of all in one statement: a trip to it takes as
long as writing some twenty rows.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

from everfold.engines.sql_dialects import POSTGRESQL

if TYPE_CHECKING:
    from everfold.projections.sql_table import SqlTable

__all__ = ["AT_ONCE", "FETCH", "delete_rows", "fetch_rows", "stream_rows", "upsert_rows"]

Row = Sequence[Any]
FETCH = 100
"""Keys that ``SqlTable.fetch`` takes."""
AT_ONCE = 5_000
STREAMED = 1_000


def upsert_rows(sql: SqlTable, connection: Any, rows: Sequence[Row]) -> None:
    """Insert each row, or replace the one with its key; no key comes twice."""
    if sql.dialect == POSTGRESQL:
        for some in _parts(rows):
            connection.execute(sql.upsert_all, sql.arrays(some))
    else:
        connection.executemany(sql.upsert, rows)


def delete_rows(sql: SqlTable, connection: Any, keys: Sequence[Row]) -> None:
    """Delete the rows with these keys, as they are stored."""
    if sql.dialect == POSTGRESQL:
        for some in _parts(keys):
            connection.execute(sql.delete_all, sql.key_arrays(some))
    else:
        connection.executemany(sql.delete, keys)


def fetch_rows(sql: SqlTable, connection: Any, keys: Sequence[Row]) -> Iterator[Row]:
    """Those of the rows with these keys that there are (tables with one key field)."""
    if sql.dialect == POSTGRESQL:
        for some in _parts(keys):
            yield from connection.execute(sql.fetch_all, sql.key_arrays(some))
        return
    values = [value for (value,) in keys]
    for start in range(0, len(values), FETCH):
        some = values[start : start + FETCH]
        yield from connection.execute(sql.fetch, some + some[-1:] * (FETCH - len(some)))


def stream_rows(connection: Any, dialect: str, statement: str) -> Iterator[Row]:
    """What a statement without parameters finds, a few rows in memory at a time. End it before the next one."""
    if dialect != POSTGRESQL:
        yield from connection.execute(statement)
        return
    with connection.cursor("everfold_rows") as cursor:  # the driver would else read all of them at once
        cursor.itersize = STREAMED
        yield from cursor.execute(statement)


def _parts(rows: Sequence[Row]) -> Iterable[Sequence[Row]]:
    return (rows,) if len(rows) <= AT_ONCE else [rows[n : n + AT_ONCE] for n in range(0, len(rows), AT_ONCE)]
