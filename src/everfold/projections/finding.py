"""The statements that find rows, and SQLAlchemy on the driver's connection. Used by tables and projections."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import sqlalchemy as sa
from sqlalchemy.pool import StaticPool

from everfold.engines.sql_dialects import POSTGRESQL
from everfold.errors import DefinitionError
from everfold.projections.sql_table import DIALECTS, SqlTable

__all__ = ["count_statement", "find_statement", "run_raw", "sqlalchemy_connection", "whole_rows"]

MAX_ROWS = 2**63 - 1
_ENGINES: dict[str, dict[str, Any]] = {
    "sqlite": {"url": "sqlite://"},
    POSTGRESQL: {"url": "postgresql+psycopg://", "use_native_hstore": False},
}
"""Without HSTORE SQLAlchemy has one question less for each new connection."""


def find_statement(
    sql: SqlTable,
    conditions: Sequence[Any],
    equal: Mapping[str, object],
    order_by: str | Sequence[str],
    limit: int | None,
    offset: int,
) -> sa.Select[Any]:
    """Selects whole rows."""
    if offset < 0 or (limit is not None and limit < 0):
        raise ValueError(f"limit={limit}, offset={offset}: give numbers from 0.")
    statement = sa.select(sql.table).where(*_conditions(sql, conditions, equal))
    statement = statement.order_by(*_order(sql, (order_by,) if isinstance(order_by, str) else order_by))
    if limit is None and not offset:
        return statement
    return statement.limit(MAX_ROWS if limit is None else limit).offset(offset)


def count_statement(sql: SqlTable, conditions: Sequence[Any], equal: Mapping[str, object]) -> sa.Select[Any]:
    """Counts rows."""
    return sa.select(sa.func.count()).select_from(sql.table).where(*_conditions(sql, conditions, equal))


def _conditions(sql: SqlTable, conditions: Sequence[Any], equal: Mapping[str, object]) -> list[Any]:
    return [*conditions, *[_column(sql, field) == value for field, value in equal.items()]]


def _order(sql: SqlTable, fields: Iterable[str]) -> list[Any]:
    named = {field.removeprefix("-"): field.startswith("-") for field in fields}
    columns = {field: _ordered(_column(sql, field), down, sql.dialect) for field, down in named.items()}
    return [*columns.values(), *[_column(sql, field) for field in sql.key if field not in columns]]


def _ordered(column: Any, down: bool, dialect: str) -> Any:
    """None comes before all values, as it does in SQLite, and at the end when the order is descending."""
    is_said = dialect == POSTGRESQL and column.nullable
    if down:
        return column.desc().nulls_last() if is_said else column.desc()
    return column.nulls_first() if is_said else column


def _column(sql: SqlTable, field: str) -> Any:
    try:
        return sql.table.c[field]
    except KeyError:
        raise DefinitionError(f"{sql.model.__name__} has no field {field!r}. It has {', '.join(sql.fields)}.") from None


def whole_rows(sql: SqlTable, statement: sa.Select[Any]) -> sa.Select[Any]:
    """The statement, if it selects exactly the columns of the table."""
    if [column.name for column in statement.selected_columns] != list(sql.fields):
        raise DefinitionError(
            f"rows() takes a select of whole rows of {sql.model.__name__}: begin with table.select(). "
            "For anything else execute the statement on self.connection."
        )
    return statement


def run_raw(connection: Any, statement: Any, dialect: str) -> Any:
    """Execute a statement on the driver's connection; rows come as the driver gives them, not converted."""
    compiled = statement.compile(dialect=DIALECTS[dialect])
    expanded = compiled.construct_expanded_state()  # a list of `in_` becomes its members
    processors: dict[str, Any] = compiled._bind_processors | expanded.processors  # pyright: ignore[reportPrivateUsage]
    values = expanded.parameters
    given = [_bound(values[name], processors.get(name)) for name in expanded.positiontup or ()]
    return connection.execute(expanded.statement, given)


def _bound(value: Any, process: Any) -> Any:
    return process(value) if process else value


def sqlalchemy_connection(connection: Any, dialect: str) -> sa.Connection:
    """SQLAlchemy's view of the driver's connection, within the same transaction. It never commits."""
    known: sa.Connection | None = connection.cache.get("sqlalchemy")
    if known is None or known.closed:  # who was given it may have closed it
        engine = sa.create_engine(
            **_ENGINES[dialect], creator=lambda: connection, poolclass=StaticPool, pool_reset_on_return=None
        )
        known = connection.cache["sqlalchemy"] = engine.connect()
    return known
