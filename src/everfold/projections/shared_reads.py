"""Queries that are asked while others are being answered by a server are answered together, from one view of it.

A view costs two round trips and what every answer needs first a third: shared, an answer takes one. Nobody waits for
others to come: where nothing is under way, a query goes at once. Used by ``answers`` instead of ``glances``.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from functools import partial
from typing import Any, Generic, TypeVar

from everfold.engines.gathered import Done, Gathered
from everfold.log.read_database import NotNow, ReadDatabase
from everfold.projections.pace import Pace

__all__ = ["SHARED_MOMENT", "SharedReads"]

T = TypeVar("T")
V = TypeVar("V")
SHARED_MOMENT = 0.01
"""Seconds that an answer may take to be shared with others."""
MOST_ANSWERS = 32
_Wanted = tuple[object, Callable[[Any, V], Any]]


class SharedReads(Generic[V]):
    """Gathers short reads, and does them in the database's threads."""

    def __init__(self, database: ReadDatabase, pace: Pace, prepare: Callable[[Any], V]) -> None:
        """``prepare``: what every job of a view is given, read once for all of them."""
        self._database = database
        self._pace = pace
        self._prepare = prepare
        self._gathered: Gathered[_Wanted[V]] = Gathered(self._read, most=MOST_ANSWERS, name="everfold-shared-reads")

    def look(self, function: object, job: Callable[[Any, V], T]) -> asyncio.Future[T]:
        """What the job returns or raises; NotNow when it is to be done apart from others, from its beginning.

        ``function``: what it is remembered by should it turn out to take longer than a moment.
        """
        return self._gathered.ask((function, job))

    async def _read(self, wanted: list[_Wanted[V]]) -> list[Done]:
        return await self._database.read(partial(self._do, wanted))

    def _do(self, wanted: list[_Wanted[V]], connection: Any) -> list[Done]:
        done: list[Done] = []
        prepared = self._prepare(connection)
        before = time.perf_counter()
        for function, job in wanted:
            try:
                done.append((job(connection, prepared), None))
            except Exception as error:
                done.append((None, error))
                if not connection.in_transaction:  # its statement failed, and the server refuses all that follow
                    break
            now = time.perf_counter()
            self._pace.took(function, now - before)
            before = now
        return done + [(None, NotNow())] * (len(wanted) - len(done))
