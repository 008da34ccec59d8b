"""Queries that are asked in the same turn of the event loop are answered together, from one view of the database.

Like the group commit of appends: whoever comes while others wait shares their transaction. Used by ``answers``.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import Any, Generic, TypeVar

from everfold.engines.gathered import Done, settle
from everfold.log.read_database import NotNow, ReadDatabase
from everfold.projections.pace import Pace

__all__ = ["Glances"]

T = TypeVar("T")
V = TypeVar("V")
_Waiting = tuple[object, Callable[[Any, V], Any], "asyncio.Future[Any]"]


class Glances(Generic[V]):
    """Gathers short reads, and does them in the event loop's own thread when its turn ends."""

    def __init__(self, database: ReadDatabase, pace: Pace, prepare: Callable[[Any], V]) -> None:
        """``prepare``: what every job of a view is given, read once for all of them."""
        self._database = database
        self._pace = pace
        self._prepare = prepare
        self._waiting: list[_Waiting[V]] = []

    def look(self, function: object, job: Callable[[Any, V], T]) -> asyncio.Future[T]:
        """What the job returns or raises; NotNow when it is to be done in another thread, from its beginning.

        ``function``: what it is remembered by should it turn out to take longer than a moment.
        """
        loop = asyncio.get_running_loop()
        future: asyncio.Future[T] = loop.create_future()
        if not self._waiting:
            loop.call_soon(self._look)
        self._waiting.append((function, job, future))
        return future

    def _look(self) -> None:
        waiting, self._waiting = self._waiting, []
        done: list[Done] = []
        try:
            self._database.glance(lambda connection: self._do(waiting, done, connection))
        except NotNow:
            done = [(None, NotNow())] * len(waiting)
        except Exception as error:
            done = [(None, error)] * len(waiting)
        settle([future for _, _, future in waiting], done)

    def _do(self, waiting: list[_Waiting[V]], done: list[Done], connection: Any) -> None:
        prepared = self._prepare(connection)
        before = time.thread_time()
        for function, job, _ in waiting:
            try:
                done.append((job(connection, prepared), None))
            except Exception as error:
                done.append((None, error))
            now = time.thread_time()  # of computing, not on the wall: other programs' share says nothing about it
            self._pace.took(function, now - before)
            before = now
