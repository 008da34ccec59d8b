"""The tables of a build in the database: shown to people by their plain names, dropped when nobody needs them.

In PostgreSQL others may be reading them at any time, and may have built views of their own on ours. Used by ``builds``.
"""

from __future__ import annotations

from typing import Any

from everfold.engines.driver_errors import sqlstate
from everfold.engines.sql_dialects import POSTGRESQL
from everfold.errors import EverfoldError
from everfold.projections.bound import sql_tables
from everfold.projections.projection import Projection

__all__ = ["drop_tables", "show_tables"]

PATIENCE = "SET LOCAL lock_timeout = '500ms'"
"""How long to wait for those who read what is replaced or dropped: whoever comes later waits behind us."""
_TABLES = {
    "sqlite": "SELECT name FROM sqlite_schema WHERE type = 'table'",
    POSTGRESQL: "SELECT tablename FROM pg_catalog.pg_tables WHERE schemaname = current_schema()",
}
_SHOWS = """
SELECT count(*) FROM pg_catalog.pg_depend AS d JOIN pg_catalog.pg_rewrite AS r ON r.oid = d.objid
WHERE d.classid = 'pg_catalog.pg_rewrite'::regclass AND d.refobjid = to_regclass(quote_ident(%s))
AND r.ev_class = to_regclass(quote_ident(%s))
"""
"""Whether a table is what a view shows."""
OTHER_COLUMNS, BUILT_UPON = "42P16", "2BP01"


def show_tables(connection: Any, dialect: str, projection: type[Projection], build: int) -> None:
    """Let the plain name of each read model mean the tables of this build, for people and reports."""
    if dialect == POSTGRESQL:
        connection.execute(PATIENCE)
    for sql in sql_tables(projection, dialect, build).values():
        view = sql.model.__everfold__.name
        if dialect == POSTGRESQL:
            _replace_view(connection, view, sql.name)
        else:
            connection.execute(f'DROP VIEW IF EXISTS "{view}"')
            connection.execute(_view_of("CREATE", view, sql.name))


def _view_of(create: str, view: str, table: str) -> str:
    return f'{create} VIEW "{view}" AS SELECT * FROM "{table}"'  # noqa: S608 (both names are checked)


def _replace_view(connection: Any, view: str, table: str) -> None:
    """With what it was granted to and what people built on it left in place, unless its columns have changed."""
    connection.execute("SAVEPOINT view")
    try:
        connection.execute(_view_of("CREATE OR REPLACE", view, table))
    except Exception as error:
        if sqlstate(error) != OTHER_COLUMNS:
            raise
        connection.execute("ROLLBACK TO view")
        _drop_view(connection, view)
        connection.execute(_view_of("CREATE", view, table))
    connection.execute("RELEASE view")


def _drop_view(connection: Any, view: str) -> None:
    try:
        connection.execute(f'DROP VIEW "{view}"')
    except Exception as error:
        if sqlstate(error) != BUILT_UPON:
            raise
        raise EverfoldError(
            f"The columns of the read model {view!r} have changed, but something of your own is built on the view of "
            f"that name. Drop that, and make it anew when the new columns are there. ({error})"
        ) from error


def drop_tables(connection: Any, dialect: str, build: int) -> None:
    """Drop the tables of a build, also of one whose code is gone: they end in its number."""
    suffix = f"__{build}"
    if dialect == POSTGRESQL:
        connection.execute(PATIENCE)
    tables = [name for (name,) in connection.execute(_TABLES[dialect]).fetchall() if name.endswith(suffix)]
    for table in tables:
        if dialect == POSTGRESQL:
            _drop_view_of(connection, table, table.removesuffix(suffix))
        connection.execute(f'DROP TABLE IF EXISTS "{table}"')


def _drop_view_of(connection: Any, table: str, view: str) -> None:
    """The view that shows a table: of a read model that the code does not have any more."""
    (shows,) = connection.execute(_SHOWS, (table, view)).fetchone()
    if shows:
        connection.execute(f'DROP VIEW "{view}"')
