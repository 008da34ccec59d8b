"""Waiting for the log to grow, within one event loop. Used by every engine for its ``wait``."""

from __future__ import annotations

import asyncio

__all__ = ["HeadWatch"]


class HeadWatch:
    """The highest position known here, and the tasks that wait for a higher one."""

    def __init__(self) -> None:
        self.head = 0
        self._waiting: set[asyncio.Future[None]] = set()

    @property
    def is_watched(self) -> bool:
        """Whether anybody waits."""
        return bool(self._waiting)

    def announce(self, head: int) -> None:
        """The log has this head now. Wakes everybody, who then look whether it is far enough for them."""
        if head > self.head:
            self.head = head
            self.wake_all()

    def wake_all(self) -> None:
        """Wake everybody, for example because the engine closes."""
        waiting, self._waiting = self._waiting, set()
        for future in waiting:
            if not future.done():
                future.set_result(None)

    @staticmethod
    def deadline(timeout: float | None) -> float | None:
        """The moment this many seconds from now, by the event loop's clock; None: never."""
        return None if timeout is None else asyncio.get_running_loop().time() + timeout

    async def change(self, deadline: float | None) -> bool:
        """Wait until somebody wakes us, or until the deadline; whether it was not the deadline."""
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.add(future)
        try:
            async with asyncio.timeout_at(deadline):
                await future
        except TimeoutError:
            return False
        finally:
            self._waiting.discard(future)
        return True
