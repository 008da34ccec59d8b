"""A projection on a connection: events can be applied to its tables, and queries answered. Used in every mode."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from everfold.codec.pipeline import Codec
from everfold.domain.message import name_of
from everfold.engines.driver_errors import is_out_of_range, is_outage
from everfold.engines.sql_dialects import POSTGRESQL
from everfold.errors import CodecError, InvalidMessage, ProjectionFailed
from everfold.log.record import Record
from everfold.projections.projection import Projection
from everfold.projections.sql_table import SqlTable
from everfold.projections.table import Table, Turn

if TYPE_CHECKING:
    import sqlalchemy as sa

__all__ = ["Bound", "sql_tables"]


def sql_tables(projection: type[Projection], dialect: str, build: int) -> dict[str, SqlTable]:
    """The tables of one build, by attribute of the projection."""
    return {
        attribute: SqlTable(model, f"{model.__everfold__.name}__{build}", dialect)
        for attribute, model in projection.__everfold__.tables.items()
    }


class Bound:
    """One projection with the tables of one build, on one connection of the driver."""

    def __init__(
        self, projection: type[Projection], tables: Mapping[str, SqlTable], connection: Any, *, is_writable: bool
    ) -> None:
        self.name = projection.__everfold__.name
        self.connection = connection
        self._dialect = "sqlite" if isinstance(connection, sqlite3.Connection) else POSTGRESQL
        self._instance = projection()
        self._turn = Turn()
        self._tables: list[Table[Any]] = []
        for attribute, sql in tables.items():
            table: Table[Any] = Table(sql, connection, is_writable=is_writable, turn=self._turn)
            setattr(self._instance, attribute, table)
            self._tables.append(table)
        self._instance._everfold_connection = self._sqlalchemy  # pyright: ignore[reportPrivateUsage]
        self._handlers: dict[type, tuple[Callable[..., None], bool]] = {
            event: (handler.function.__get__(self._instance), handler.wants_record)
            for event, handler in projection.__everfold__.handlers.items()
        }

    def _sqlalchemy(self) -> sa.Connection:
        from everfold.projections.finding import sqlalchemy_connection

        for table in self._tables:
            table.release()
        return sqlalchemy_connection(self.connection, self._dialect)

    def apply(self, records: Sequence[Record], codec: Codec) -> int:
        """Apply the events of these records to the tables' memory; how many there were a handler for.

        Raises ProjectionFailed for a record that cannot be decoded or that a handler fails on. What was applied
        before it is then in the tables' memory all the same: forget it, or undo the transaction.
        """
        handlers, turn, handled, record = self._handlers, self._turn, 0, None
        try:
            for event, record in codec.pairs(records):
                found = handlers.get(type(event))
                if found is None:
                    continue
                turn.number += 1
                handle, wants_record = found
                if wants_record:
                    handle(event, record)
                else:
                    handle(event)
                handled += 1
        except Exception as error:
            if is_outage(error):
                raise
            raise self._failed(error, record, records) from error
        return handled

    def _failed(self, error: Exception, record: Record | None, records: Sequence[Record]) -> ProjectionFailed:
        if isinstance(error, CodecError):
            position = getattr(error, "position", 0)
            record = next((each for each in records if each.position == position), record)
        return failed(self.name, error, record or records[0])

    def prefetch(self, records: Iterable[Record]) -> None:
        """Read the rows that the records' keys name, where rows are looked up by them."""
        keys = [record.key for record in records]
        for table in self._tables:
            table.prefetch(keys)

    def flush(self) -> bool:
        """The events were applied: write what changed; whether anything did."""
        return any([table.flush(is_last=True) for table in self._tables])

    def forget(self) -> None:
        """Forget the rows."""
        for table in self._tables:
            table.forget()

    def trim(self) -> None:
        """After a flush: forget the rows where there are many."""
        for table in self._tables:
            table.trim()

    def answer(self, function: Callable[..., Any], query: object) -> Any:
        """Have the projection answer a query."""
        try:
            return function(self._instance, query)
        except Exception as error:
            if is_out_of_range(error):  # a number too large for the database, a day after the last one
                problem = f"A value of it is more than the database can hold: {error}."
                raise InvalidMessage(name_of(query), problem) from error
            raise


def failed(name: str, error: BaseException, record: Record) -> ProjectionFailed:
    """The error that names the record."""
    problem = f"{type(error).__name__}: {error}"
    return ProjectionFailed(name, problem, position=record.position, stream=record.stream, event_type=record.type)
