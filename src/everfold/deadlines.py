"""Limits on how long a task may take, for many tasks at once. Used by whatever carries requests.

``asyncio.timeout`` makes a timer of the event loop for each task and cancels it again, which costs more than many a
query. Here one timer looks at all of them a few times a second, so that a long limit costs next to nothing.
"""

from __future__ import annotations

import asyncio
import threading
from types import TracebackType
from typing import Any

__all__ = ["Deadline", "deadline"]

TICK = 0.25
"""Seconds between looks, and so how much later than asked a limit may come."""
SHORT = 1.0
"""Seconds below which that would matter: such a limit has a timer of its own."""


def deadline(seconds: float) -> Deadline:
    """A limit for a block, to be used with ``with``: TimeoutError when it takes longer; its task is cancelled."""
    return Deadline(seconds)


class _Running:
    """The limits that are running in the event loop of one thread."""

    def __init__(self) -> None:
        self.deadlines: dict[Deadline, None] = {}
        self.loop: asyncio.AbstractEventLoop | None = None
        self.is_ticking = False

    def add(self, deadline: Deadline, loop: asyncio.AbstractEventLoop) -> None:
        if loop is not self.loop:  # another loop than before, which has ended
            self.loop, self.is_ticking = loop, False
            self.deadlines.clear()
        self.deadlines[deadline] = None
        if not self.is_ticking:
            self.is_ticking = True
            loop.call_later(TICK, self.tick, loop)

    def tick(self, loop: asyncio.AbstractEventLoop) -> None:
        if loop is not self.loop:
            return
        now = loop.time()
        for deadline in [each for each in self.deadlines if each.at <= now]:
            deadline.expire()
        self.is_ticking = bool(self.deadlines)
        if self.is_ticking:
            loop.call_later(TICK, self.tick, loop)


class _Here(threading.local):
    def __init__(self) -> None:
        self.running = _Running()


_here = _Here()


class Deadline:
    """One limit, as a context manager for the task that enters it."""

    __slots__ = ("_before", "_is_over", "_running", "_seconds", "_task", "_timer", "at")

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._is_over = False
        self._timer: asyncio.TimerHandle | None = None
        self.at = 0.0

    def __enter__(self) -> Deadline:
        loop = asyncio.get_running_loop()
        task = asyncio.current_task(loop)
        if task is None:
            raise RuntimeError("A limit is for a task.")
        self._task: asyncio.Task[Any] = task
        self._before = task.cancelling()
        self._running = _here.running
        self.at = loop.time() + self._seconds
        if self._seconds < SHORT:
            self._timer = loop.call_at(self.at, self.expire)
        else:
            self._running.add(self, loop)
        return self

    def expire(self) -> None:
        """The time is over: cancel the task."""
        self._running.deadlines.pop(self, None)
        self._is_over = True
        self._task.cancel()

    def expired(self) -> bool:
        """Whether the time was over before the block ended."""
        return self._is_over

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self._timer is None:
            self._running.deadlines.pop(self, None)
        else:
            self._timer.cancel()
        # As asyncio.timeout does it: a cancellation that is not ours alone goes on.
        if self._is_over and self._task.uncancel() <= self._before and kind is asyncio.CancelledError:
            raise TimeoutError from error
