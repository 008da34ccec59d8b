"""Repositories: how function handlers load aggregates and record events, within one unit of work."""

from __future__ import annotations

from typing import Generic, TypeVar, cast

from everfold.domain.aggregate import Aggregate
from everfold.domain.command import Command
from everfold.store.unit_of_work import UnitOfWork

__all__ = ["Repository"]

A = TypeVar("A", bound=Aggregate)
R = TypeVar("R")


class Repository(Generic[A]):
    """The aggregates of one class, for the handler that asked for ``Repository[Order]``.

    Everything loaded and recorded through the repositories of one call is one unit of work: it is appended
    atomically when the handler returns, if nothing it loaded has changed meanwhile; else the handler runs again.
    """

    def __init__(self, cls: type[A], unit: UnitOfWork) -> None:
        self._cls = cls
        self._unit = unit

    async def get(self, key: object) -> A:
        """The aggregate's state, evolved by what this unit of work recorded so far; empty for a new stream."""
        return cast("A", (await self._unit.aggregate(self._cls, key)).state)

    async def version(self, key: object) -> int:
        """The version of the stream when it was loaded; 0: it does not exist."""
        return (await self._unit.aggregate(self._cls, key)).version

    async def record(self, key: object, *events: object) -> A:
        """Record facts about the aggregate; the evolved state."""
        boundary = await self._unit.aggregate(self._cls, key)
        for event in events:
            self._unit.record(boundary, event)
        return cast("A", boundary.state)

    async def decide(self, command: Command[R]) -> R:
        """Have the aggregate that the command names decide it; the reply of that decision."""
        boundary = await self._unit.aggregate(self._cls, self._cls.__everfold__.key_of(command))
        return cast("R", await self._unit.decide_in(boundary, command))
