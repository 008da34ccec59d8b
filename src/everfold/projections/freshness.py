"""How far a projection is, as this process knows it, and waiting for it to move. Used to read one's own writes."""

from __future__ import annotations

import asyncio

from everfold.deadlines import deadline
from everfold.engines.head_watch import HeadWatch

__all__ = ["Freshness"]


class Freshness:
    """The position of one projection. Only a hint: the database has the truth, and is asked for it."""

    def __init__(self) -> None:
        self.position = 0
        self.changed = 0
        self.moves = 0
        """How often it has moved, so that one can see whether it did meanwhile."""
        self._watch = HeadWatch()
        self._hurry = asyncio.Event()

    def moved(self, position: int, changed: int) -> None:
        """The projection is at this position now."""
        if (position, changed) != (self.position, self.changed):
            self.position, self.changed = position, changed
            self.moves += 1
            self._watch.wake_all()

    async def change(self, seconds: float) -> bool:
        """Wait until it moves in this process; False: it did not within these seconds."""
        self._hurry.set()
        return await self._watch.change(self._watch.deadline(seconds))

    async def awaited(self, seconds: float) -> None:
        """Wait until somebody waits for it to move, at most so long; whoever has come since the last time counts."""
        try:
            with deadline(seconds):
                await self._hurry.wait()
        except TimeoutError:
            pass
        self._hurry.clear()
