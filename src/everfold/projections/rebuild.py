"""Building a projection anew while the live tables are read, and comparing without changing anything."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence
from contextlib import suppress
from functools import partial
from typing import Any

import msgspec

from everfold.clock import Clock
from everfold.codec.pipeline import Codec
from everfold.engines.sql_dialects import POSTGRESQL
from everfold.errors import EverfoldError, ProjectionFailed, StoreBusy, StoreError
from everfold.log.engine import Engine
from everfold.log.read_database import ReadDatabase
from everfold.log.table_difference import Difference, pairs_by_key
from everfold.projections.answers import Answers
from everfold.projections.bound import sql_tables
from everfold.projections.build_consumer import BuildConsumer, Progress, build_up
from everfold.projections.build_writer import BuildWriter, FlushFailed
from everfold.projections.builds import ACTIVE, BUILDING, activate, builds_of, create, discard, readable
from everfold.projections.folded_view import BUILD, FoldedView
from everfold.projections.inline import LARGEST_GAP
from everfold.projections.many_rows import stream_rows
from everfold.projections.projection import Projection
from everfold.projections.sql_table import SqlTable
from everfold.subscriptions.bookkeeping import Amended, ConsumerRow, rows, take_turns
from everfold.subscriptions.lease import Lease, LeaseRow, Leases
from everfold.subscriptions.subscription import Fenced, Moved, Paused

__all__ = ["Comparison", "Rebuild"]

ATTEMPTS = 20
PAUSE = 0.1
_COLUMNS = {
    "sqlite": "SELECT name FROM pragma_table_info(?)",
    POSTGRESQL: "SELECT attname FROM pg_catalog.pg_attribute "
    "WHERE attrelid = to_regclass(quote_ident(%s)) AND attnum > 0 AND NOT attisdropped",
}


class Comparison(msgspec.Struct, frozen=True):
    """What a rebuild would change, at this position."""

    projection: str
    position: int
    tables: list[Difference]

    @property
    def is_same(self) -> bool:
        """Whether it would change nothing."""
        return all(table.is_same for table in self.tables)


class Rebuild:
    """Builds one projection anew."""

    def __init__(
        self,
        projection: type[Projection],
        fingerprint: str,
        *,
        engine: Engine,
        database: ReadDatabase,
        leases: Leases,
        codec: Codec,
        clock: Clock,
    ) -> None:
        self._projection = projection
        self._name = projection.__everfold__.name
        self._fingerprint = fingerprint
        self._engine = engine
        self._database = database
        self._leases = leases
        self._codec = codec
        self._clock = clock

    async def run(self, progress: Progress | None = None) -> int:
        """Build it beside the live tables and switch in one transaction; the number of the new build.

        Readers keep the old tables until the switch. Interrupted, it leaves nothing that anybody reads. Raises an
        error when somebody else is rebuilding it.
        """
        lease = await self._leases.take(f"rebuild {self._name}")
        if lease is None:
            raise EverfoldError(
                f"The projection {self._name!r} is being rebuilt already. Wait for it, or look at status."
            )
        keeping = asyncio.create_task(self._keep(lease), name=f"everfold-rebuild-{self._name}")
        try:
            return await self._build(progress)
        except Paused as paused:
            raise EverfoldError(
                f"The projection {self._name!r} was paused while it was being rebuilt ({paused}). Resume it, and "
                "rebuild again."
            ) from paused
        except (Fenced, Moved) as error:
            raise EverfoldError(
                f"Another rebuild of the projection {self._name!r} has begun, because this one was silent for longer "
                "than its lease. Wait for that one, or look at status."
            ) from error
        finally:
            keeping.cancel()
            await asyncio.gather(keeping, return_exceptions=True)
            await self._leases.release(lease)

    async def _keep(self, lease: Lease) -> None:
        while True:
            await self._clock.sleep(self._leases.seconds / 3)
            with suppress(StoreError):
                await self._leases.renew(lease)

    async def _build(self, progress: Progress | None) -> int:
        build = await self._database.write(self._begin)
        writer = BuildWriter(
            self._projection, build.build, dialect=self._database.dialect, codec=self._codec, clock=self._clock
        )
        consumer = BuildConsumer(writer, self._database)
        await consumer.resume(0)
        is_inline = self._projection.__everfold__.mode == "inline"
        gives_way, busy = True, 0
        while True:
            until = await self._engine.wait(-1)
            await build_up(self._engine, consumer, until=until, progress=progress, gives_way=gives_way)
            gives_way = False  # what was appended meanwhile is made up for at full speed, or there would be no end
            try:
                switch = partial(self._switch, writer=writer, after=consumer.position if is_inline else None)
                if await self._database.write(switch):
                    return build.build
            except (ProjectionFailed, FlushFailed):  # build_up will meet it again, and set it aside
                writer.undone()
            except StoreBusy:  # somebody reads what is replaced: all the work would be lost for that
                writer.undone()
                busy += 1
                if busy == ATTEMPTS:
                    raise
                await self._clock.sleep(PAUSE)  # so that those who wait behind us come in between

    def _switch(self, connection: Any, writer: BuildWriter, after: int | None) -> bool:
        """Read the new build from now on; False: the live one has got further.

        ``after``: the position of an inline build. Appends move the live one, without a pause perhaps, so what came
        since is applied here, where nobody appends.
        """
        take_turns(connection, self._database.dialect)
        if after is not None:
            head, read = self._engine.log_within(connection)
            missed = read(writer.selection, after=after, limit=LARGEST_GAP + 1)
            if len(missed) > LARGEST_GAP:
                return False
            writer.apply(connection, missed, after=after, position=head, token=0)
        return activate(connection, self._database.dialect, self._projection, writer.build)

    def _begin(self, connection: Any) -> ConsumerRow:
        """A new build; what an interrupted rebuild left is dropped."""
        dialect = self._database.dialect
        take_turns(connection, dialect)
        builds = builds_of(connection, dialect, self._name)
        made = [build for build in builds if build.fingerprint == self._fingerprint and build.state != BUILDING]
        for build in builds:
            if build.state != BUILDING or build.fingerprint != self._fingerprint:
                continue  # what another program is building is its own affair
            if made or not self._is_being_made(connection, build):
                discard(connection, dialect, self._name, build.build)
            else:
                raise EverfoldError(
                    f"The projection {self._name!r} is being built already, because its code has changed. Wait for it."
                )
        return create(connection, dialect, self._projection, self._fingerprint, BUILDING, recorded=self._clock.micros())

    def _is_being_made(self, connection: Any, build: ConsumerRow) -> bool:
        """Whether somebody runs it, or it is what an interrupted rebuild left. Inline ones have no lease to tell."""
        if self._projection.__everfold__.mode == "inline":
            return True
        lease = f"projection {self._name} {build.build}"
        found = rows(connection, self._database.dialect, "read_lease", LeaseRow, name=lease)
        return any(row.expires > self._clock.micros() for row in found)

    async def reset(self) -> int:
        """Begin anew with empty tables, which are read at once; the number of the new build."""
        return await self._database.write(self._reset)

    def _reset(self, connection: Any) -> int:
        dialect, now = self._database.dialect, self._clock.micros()
        build = create(connection, dialect, self._projection, self._fingerprint, ACTIVE, recorded=now)
        activate(connection, dialect, self._projection, build.build, even_behind=True)
        return build.build

    async def compare(self, answers: Answers, progress: Progress | None = None) -> Comparison:
        """Fold the projection into tables of its own up to where the live ones are, and compare row by row."""
        folded = FoldedView(self._projection, engine=self._engine, codec=self._codec, clock=self._clock)
        dialect = self._database.dialect
        amended: list[Amended] = await self._database.read(
            lambda c: rows(c, dialect, "read_amended", Amended, name=self._name)
        )
        try:
            for _ in range(ATTEMPTS):
                row = await answers.row()
                if row is None:
                    break
                consumer = await folded.fold(row.position, amended=amended, progress=progress)
                # Both are read in one go, the live tables in one view; if they have moved meanwhile, follow them.
                found = await consumer.database.read(lambda own: own)
                compared = await self._database.read(partial(self._compare, own=found, position=row.position))
                if compared is not None:
                    return compared
            raise EverfoldError(
                f"The projection {self._name!r} moved all the time, or does not exist. Pause it, then compare."
            )
        finally:
            folded.close()

    def _compare(self, connection: Any, own: Any, position: int) -> Comparison | None:
        dialect = self._database.dialect
        live = readable(builds_of(connection, dialect, self._name), self._fingerprint)
        if live is None or live.position != position:
            return None
        before = sql_tables(self._projection, dialect, live.build)
        after = sql_tables(self._projection, "sqlite", BUILD)
        tables = [_difference(connection, before[name], own, after[name]) for name in before]
        return Comparison(self._name, position, tables)


def _difference(live: Any, before: SqlTable, own: Any, after: SqlTable) -> Difference:
    found = Difference(after.model.__everfold__.name)
    olds, news = _rows(live, before, _columns(live, before)), _rows(own, after, set(after.fields))
    if before.dialect != after.dialect:
        olds = map(after.stored_from(before), olds)
    for key, old, new in pairs_by_key(_keyed(before, olds), _keyed(after, news)):
        if old == new:
            found.same += 1
        else:
            found.note(key if len(after.key) > 1 else (key,), _named(after, old), _named(after, new))
    return found


def _keyed(sql: SqlTable, rows: Iterator[Sequence[Any]]) -> Iterator[tuple[Any, Sequence[Any]]]:
    return ((sql.key_in(row), row) for row in rows)


def _named(sql: SqlTable, values: Any) -> dict[str, Any] | None:
    return None if values is None else dict(zip(sql.fields, values, strict=True))


def _columns(connection: Any, sql: SqlTable) -> set[str]:
    """The columns of a table as an older shape may have made it; none: it had no such table."""
    return {name for (name,) in connection.execute(_COLUMNS[sql.dialect], (sql.name,))}


def _rows(connection: Any, sql: SqlTable, there: set[str]) -> Iterator[Sequence[Any]]:
    """Every row as it is stored, in the order of the keys, a few at a time; NULL for columns that are not there."""
    if not there:
        return
    columns = ", ".join(f'"{field}"' if field in there else "NULL" for field in sql.fields)
    key = ", ".join(f'"{field}"' for field in sql.key if field in there)
    statement = f'SELECT {columns} FROM "{sql.name}" ORDER BY {key}'  # noqa: S608 (checked names)
    yield from stream_rows(connection, sql.dialect, statement)
