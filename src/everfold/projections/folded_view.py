"""A projection folded on demand into tables of its own: what it is now, or was at any position. Never the live tables.

Used for ``mode="live"``, for ``as_of=`` and for comparisons. Folding goes by the same way as projecting does.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from functools import partial
from typing import Any

from everfold.clock import Clock
from everfold.codec.pipeline import Codec
from everfold.engines.memory.read_database import SPILLING, MemoryReadDatabase
from everfold.log.engine import LogEngine
from everfold.projections.answers import Answer
from everfold.projections.bound import Bound, sql_tables
from everfold.projections.build_consumer import BuildConsumer, Progress, build_up
from everfold.projections.build_writer import BuildWriter
from everfold.projections.builds import ACTIVE, create
from everfold.projections.projection import Projection
from everfold.subscriptions.bookkeeping import Amended, executemany, prepare

__all__ = ["FoldedView"]

BUILD = 1


class FoldedView:
    """Tables of one projection in this process, brought to a position when somebody asks."""

    def __init__(self, projection: type[Projection], *, engine: LogEngine, codec: Codec, clock: Clock) -> None:
        self._projection = projection
        self._engine = engine
        self._codec = codec
        self._clock = clock
        self._turn = asyncio.Lock()
        self._database: MemoryReadDatabase | None = None
        self._consumer: BuildConsumer | None = None
        self._amended: list[Amended] = []
        self._tables = sql_tables(projection, "sqlite", BUILD)

    async def ask(
        self, function: Callable[..., Any], query: object, *, at: int | None, amended: list[Amended] | None = None
    ) -> Answer:
        """The answer as it was at this position; None: as it is now."""
        async with self._turn:
            head = await self._engine.wait(-1)
            until = head if at is None else min(at, head)
            consumer = await self.fold(until, amended=amended)
            value = await consumer.database.read(partial(self._answer, function, query))
            return Answer(value, BUILD, until, consumer.changed)

    async def fold(
        self, until: int, *, amended: list[Amended] | None = None, progress: Progress | None = None
    ) -> BuildConsumer:
        """Bring the tables to a position: forwards from where they are, or from the beginning."""
        consumer = self._consumer
        if consumer is None or consumer.position > until or self._amended != (amended or []):
            consumer = await self._begin(amended or [])
        self._consumer = None  # a caller who gives up half way leaves tables that nobody knows the position of
        await build_up(self._engine, consumer, until=until, progress=progress)
        self._consumer = consumer
        return consumer

    async def _begin(self, amended: list[Amended]) -> BuildConsumer:
        self.close()
        self._amended = amended
        database = self._database = MemoryReadDatabase(SPILLING)
        database.open()
        await database.write(partial(self._create, amended=amended))
        writer = BuildWriter(self._projection, BUILD, dialect=database.dialect, codec=self._codec, clock=self._clock)
        consumer = BuildConsumer(writer, database)
        await consumer.resume(0)
        return consumer

    def _create(self, connection: Any, amended: list[Amended]) -> None:
        prepare(connection, "sqlite")
        create(connection, "sqlite", self._projection, "", ACTIVE, recorded=self._clock.micros())
        name = self._projection.__everfold__.name
        values = [
            {"name": name, "position": each.position, "data": each.data, "reason": "", "actor": "", "amended": 0}
            for each in amended
        ]
        if values:
            executemany(connection, "sqlite", "amend", values)

    def _answer(self, function: Callable[..., Any], query: object, connection: Any) -> Any:
        return Bound(self._projection, self._tables, connection, is_writable=False).answer(function, query)

    def close(self) -> None:
        """Drop the tables."""
        database, self._database, self._consumer = self._database, None, None
        if database:
            database.close()
