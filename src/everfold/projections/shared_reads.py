"""Queries that are asked while others are being answered by a server are answered together, from one view of it.

A view costs two round trips and what every answer needs first a third: shared, an answer takes one. Nobody waits for
others to come: where nothing is under way, a query goes at once. Used by ``answers`` instead of ``glances``.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Callable
from functools import partial
from typing import Any, Generic, TypeVar

from everfold.log.read_database import NotNow, ReadDatabase
from everfold.projections.glances import Done, Waiting, settle
from everfold.projections.pace import Pace

__all__ = ["SHARED_MOMENT", "SharedReads"]

T = TypeVar("T")
V = TypeVar("V")
SHARED_MOMENT = 0.01
"""Seconds that an answer may take to be shared with others."""
MOST_ANSWERS = 32
MOST_READS = 2


class SharedReads(Generic[V]):
    """Gathers short reads, and does them in the database's threads."""

    def __init__(self, database: ReadDatabase, pace: Pace, prepare: Callable[[Any], V]) -> None:
        """``prepare``: what every job of a view is given, read once for all of them."""
        self._database = database
        self._pace = pace
        self._prepare = prepare
        self._waiting: deque[Waiting[V]] = deque()
        self._reads: set[asyncio.Task[None]] = set()

    def look(self, function: object, job: Callable[[Any, V], T]) -> asyncio.Future[T]:
        """What the job returns or raises; NotNow when it is to be done apart from others, from its beginning.

        ``function``: what it is remembered by should it turn out to take longer than a moment.
        """
        loop = asyncio.get_running_loop()
        future: asyncio.Future[T] = loop.create_future()
        self._waiting.append((function, job, future))
        if len(self._reads) < MOST_READS:
            task = loop.create_task(self._read_all(), name="everfold-shared-reads")
            self._reads.add(task)
            task.add_done_callback(self._reads.discard)
        return future

    async def _read_all(self) -> None:
        # The task starts only after every task that is ready now has run: what they ask is in the first view.
        while waiting := self._take():
            done: list[Done] = []
            try:
                await self._database.read(partial(self._do, waiting, done))
            except Exception as error:
                done = [(None, error)] * len(waiting)
            except BaseException:  # the loop is shutting down
                for _, _, future in waiting:
                    future.cancel()
                raise
            settle(waiting, done)

    def _take(self) -> list[Waiting[V]]:
        taken: list[Waiting[V]] = []
        while self._waiting and len(taken) < MOST_ANSWERS:
            entry = self._waiting.popleft()
            if not entry[2].done():
                taken.append(entry)
        return taken

    def _do(self, waiting: list[Waiting[V]], done: list[Done], connection: Any) -> None:
        done.clear()  # begun once more, after the connection was lost
        prepared = self._prepare(connection)
        before = time.perf_counter()
        for function, job, _ in waiting:
            try:
                done.append((job(connection, prepared), None))
            except Exception as error:
                done.append((None, error))
                if not connection.in_transaction:  # its statement failed, and the server refuses all that follow
                    break
            now = time.perf_counter()
            self._pace.took(function, now - before)
            before = now
        done += [(None, NotNow())] * (len(waiting) - len(done))
