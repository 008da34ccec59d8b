"""Rows of a database table or query, read through SQLAlchemy. Used by imports."""

from __future__ import annotations

from collections.abc import Generator, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import sqlalchemy as sql
from sqlalchemy.exc import NoSuchTableError, SQLAlchemyError

from everfold.errors import ConfigurationError, InvalidImport
from everfold.migration.source import SourceRow

__all__ = ["TableSource"]

PAGE = 1_000


class TableSource:
    """The rows of a table (``"orders"``, ``"sales.orders"``) or of a ``select()``, from a database URL or engine.

    ``order_by``: the columns that give every row a fixed place, new rows last; by default the table's primary key. A
    ``select()`` has to bring its own ``order_by``. Rows come page by page, with the values of the database's driver.
    """

    def __init__(
        self, database: str | sql.Engine, query: str | sql.Select[Any], *, order_by: str | Sequence[str] = ()
    ) -> None:
        self._database = database
        self._query = query
        self._order_by = (order_by,) if isinstance(order_by, str) else tuple(order_by)
        self.columns: Sequence[str] | None = None
        self._count = self._read = 0

    @property
    def name(self) -> str:
        """The name of the table."""
        return f"table {self._query}" if isinstance(self._query, str) else "query"

    @property
    def share(self) -> float | None:
        """How many of the rows that were there at the beginning have been read, from 0 to 1."""
        return min(self._read / self._count, 1.0) if self._count else None

    def at(self, place: str) -> TableSource:
        """The same table in the database at another URL."""
        return TableSource(place, self._query, order_by=self._order_by)

    def __iter__(self) -> Iterator[SourceRow]:
        self._read = 0
        with self._errors(), self._connected() as connection:
            query = self._ordered(connection)
            count = sql.select(sql.func.count()).select_from(query.order_by(None).subquery())
            self._count = connection.execute(count).scalar_one()
            rows = connection.execution_options(stream_results=True, yield_per=PAGE).execute(query)
            columns = self.columns = tuple(rows.keys())
            for row in rows:
                self._read += 1
                yield SourceRow(self._read, dict(zip(columns, row, strict=True)))

    @contextmanager
    def _connected(self) -> Generator[sql.Connection]:
        is_ours = isinstance(self._database, str)
        engine = sql.create_engine(self._database) if isinstance(self._database, str) else self._database
        try:
            with engine.connect() as connection:
                yield connection
        finally:
            if is_ours:
                engine.dispose()

    @contextmanager
    def _errors(self) -> Generator[None]:
        try:
            yield
        except NoSuchTableError as error:
            raise InvalidImport("the database has no such table. Check its name.", source=self.name) from error
        except (SQLAlchemyError, ImportError) as error:
            reason = str(error).partition("\n")[0]
            raise InvalidImport(f"cannot be read: {reason}", source=self.name, row=self._read or None) from error

    def _ordered(self, connection: sql.Connection) -> sql.Select[Any]:
        if not isinstance(self._query, str):
            query = self._query.order_by(*map(sql.text, self._order_by)) if self._order_by else self._query
            if not _is_ordered(query):
                raise ConfigurationError(
                    "The query of a TableSource needs an order that never changes. Add .order_by(...) to it."
                )
            return query
        schema, _, name = self._query.rpartition(".")
        table = sql.Table(name, sql.MetaData(), autoload_with=connection, schema=schema or None)
        if unknown := [column for column in self._order_by if column not in table.c]:
            raise ConfigurationError(f"The {self.name} has no column {unknown[0]!r} to order by.")
        order = [table.c[column] for column in self._order_by] or list(table.primary_key)
        if not order:
            raise ConfigurationError(f"The {self.name} has no primary key. Give order_by=, so that its order is fixed.")
        return sql.select(table).order_by(*order)


def _is_ordered(query: sql.Select[Any]) -> bool:
    return bool(query._order_by_clauses)  # pyright: ignore[reportPrivateUsage] (there is no public question)
