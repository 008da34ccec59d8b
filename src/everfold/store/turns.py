"""Turns: tasks of one event loop that use the same thing one after the other. Lighter than a lock when nobody waits."""

from __future__ import annotations

import asyncio
from collections import deque

__all__ = ["Turns"]


class Turns:
    """Whose turn it is, in order of arrival. Taking a free turn costs no task switch and no allocation."""

    __slots__ = ("_waiting", "is_taken")

    def __init__(self) -> None:
        self.is_taken = False
        self._waiting: deque[asyncio.Future[None]] | None = None

    async def take(self) -> None:
        """Wait for the turn. When ``is_taken`` is false, setting it is the same and saves a coroutine."""
        if not self.is_taken:
            self.is_taken = True
            return
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        if self._waiting is None:
            self._waiting = deque()
        self._waiting.append(future)
        try:
            await future
        except asyncio.CancelledError:
            if future.done() and not future.cancelled():
                self.give()  # it was ours already: pass it on
            raise

    def give(self) -> None:
        """End the turn: the next in line has it now."""
        while self._waiting:
            future = self._waiting.popleft()
            if not future.done():
                future.set_result(None)
                return
        self.is_taken = False
