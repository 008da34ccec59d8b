"""The tables of one projection in memory, brought forward as in production, but at once. Used by the tests of them.

Records go through the consumer that the runner drives, to a SQLite database in memory. Nothing of it ever waits, so
no event loop is needed, and it works inside a running one.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Sequence
from functools import partial
from typing import Any, TypeVar, cast

import msgspec

from everfold.clock import SystemClock
from everfold.codec.pipeline import Codec
from everfold.domain.read_model import ReadModel
from everfold.engines.held_connection import check_under_way, only_reading
from everfold.engines.memory.read_database import MemoryReadDatabase
from everfold.log.record import Record
from everfold.projections.bound import Bound, sql_tables
from everfold.projections.build_consumer import BuildConsumer
from everfold.projections.build_writer import BuildWriter
from everfold.projections.builds import ACTIVE, create
from everfold.projections.projection import Projection
from everfold.projections.sql_table import SqlTable
from everfold.subscriptions.bookkeeping import prepare
from everfold.subscriptions.subscription import Poison, beyond

__all__ = ["NotApplied", "ProjectedTables"]

T = TypeVar("T")
BUILD = 1


class NotApplied(msgspec.Struct, frozen=True):
    """A record that could not be applied, so that it was set aside and its stream waits."""

    record: Record
    error: BaseException


class ProjectedTables:
    """Tables that begin empty."""

    def __init__(self, projection: type[Projection], codec: Codec) -> None:
        self._projection = projection
        self._codec = codec
        self._database = HereAndNow()
        self.tables = sql_tables(projection, self._database.dialect, BUILD)
        self.failures: list[NotApplied] = []
        _at_once(self._database.write(self._create))
        self.restart()

    def _create(self, connection: Any) -> None:
        prepare(connection, "sqlite")
        create(connection, "sqlite", self._projection, "", ACTIVE, recorded=0)

    def restart(self) -> None:
        """Go on as a new process would, that remembers nothing."""
        writer = BuildWriter(self._projection, BUILD, dialect="sqlite", codec=self._codec, clock=SystemClock())
        self._consumer = BuildConsumer(writer, self._database)
        _at_once(self._consumer.resume(0))

    def apply(self, records: Sequence[Record]) -> None:
        """Apply the records as one batch; what fails is set aside without another try."""
        _at_once(self._apply(records))

    async def _apply(self, records: Sequence[Record]) -> None:
        selected = [record for record in records if self._consumer.writer.selection.matches(record)]
        while True:
            try:
                await self._consumer.consume(selected, records[-1].position)
                return
            except Poison as poison:
                self.failures.append(NotApplied(poison.record, poison.error.__cause__ or poison.error))
                await self._consumer.park(poison, 1)
                selected = beyond(selected, poison.record.position)

    def answer(self, function: Callable[..., Any], query: object) -> Any:
        """Have the projection answer, as a query does: from the stored rows, and without writing."""
        return _at_once(self._database.read(lambda connection: self._bound(connection).answer(function, query)))

    def rows(self) -> dict[str, list[ReadModel]]:
        """All rows by the attribute of their table, in the order of their keys."""
        return {
            attribute: _at_once(self._database.read(partial(_rows, table))) for attribute, table in self.tables.items()
        }

    def as_read(self, attribute: str, row: ReadModel) -> ReadModel:
        """The row as it would be read after it was stored."""
        table = self.tables[attribute]
        return cast("ReadModel", table.loaded(table.stored(row)))

    def _bound(self, connection: Any) -> Bound:
        return Bound(self._projection, self.tables, connection, is_writable=False)


def _rows(table: SqlTable, connection: Any) -> list[ReadModel]:
    """Every row, in the order of the keys."""
    columns, key = (", ".join(f'"{field}"' for field in fields) for fields in (table.fields, table.key))
    stored = connection.execute(f'SELECT {columns} FROM "{table.name}" ORDER BY {key}')  # noqa: S608 (checked names)
    return [table.loaded(values) for values in stored]


class HereAndNow:
    """A read database in memory whose jobs run at once, in the thread that asks."""

    dialect = "sqlite"

    def __init__(self) -> None:
        self._database = MemoryReadDatabase()

    async def write(self, job: Callable[[Any], T]) -> T:
        """One transaction."""
        with self._database.transaction() as connection:
            result = job(connection)
            check_under_way(connection)
            return result

    async def read(self, job: Callable[[Any], T]) -> T:
        """One view, which cannot be written to."""
        return self.glance(job)

    def glance(self, job: Callable[[Any], T]) -> T:
        """The same."""
        with self._database.transaction() as connection:
            connection.execute("PRAGMA query_only = 1")
            try:
                with only_reading():
                    return job(connection)
            finally:
                connection.execute("PRAGMA query_only = 0")


def _at_once(coroutine: Coroutine[Any, Any, T]) -> T:
    """The result of a coroutine that never waits."""
    try:
        coroutine.send(None)
    except StopIteration as ended:
        return cast("T", ended.value)
    coroutine.close()
    raise AssertionError("A job that was to run at once has waited.")
