"""A clock that stands still until a test moves it. Give it to the app: ``App(..., clock=FrozenClock())``."""

from __future__ import annotations

import asyncio
import heapq
import itertools
import threading
from datetime import UTC, datetime, timedelta

from everfold.clock import from_micros, to_micros

__all__ = ["FrozenClock"]

START = datetime(2030, 1, 1, tzinfo=UTC)
TURNS = 20
"""How often waiting tasks get their turn between two steps of ``elapse``."""


class FrozenClock:
    """Time for tests: nothing passes by itself, and nobody really waits.

    ``advance`` jumps and wakes the sleepers whose time has come, in the order of their deadlines. ``elapse`` goes from
    deadline to deadline and lets the woken tasks run in between, so that a task that sleeps in a loop wakes each time.
    """

    def __init__(self, start: datetime = START) -> None:
        self._micros = to_micros(start)
        self._start = self._micros
        self._sleepers: list[tuple[int, int, asyncio.Future[None]]] = []
        self._numbers = itertools.count()
        self._lock = threading.Lock()

    @property
    def now(self) -> datetime:
        """The time it shows."""
        return from_micros(self._micros)

    @property
    def sleepers(self) -> int:
        """How many tasks are asleep."""
        with self._lock:
            return sum(not future.done() for _, _, future in self._sleepers)

    def micros(self) -> int:
        """Whole microseconds since 1970-01-01 UTC."""
        return self._micros

    def monotonic(self) -> float:
        """Seconds since the clock was made."""
        return (self._micros - self._start) / 1_000_000

    async def sleep(self, seconds: float) -> None:
        """Sleep until the test has moved the clock this far."""
        if seconds <= 0:
            await asyncio.sleep(0)
            return
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        deadline = self._micros + round(seconds * 1_000_000)
        with self._lock:
            heapq.heappush(self._sleepers, (deadline, next(self._numbers), future))
        await future

    def advance(self, by: float | timedelta) -> None:
        """Move the clock by seconds or a timedelta and wake who slept for no longer; they run at the next await."""
        micros = _micros(by)
        if micros < 0:
            raise ValueError("A FrozenClock never goes back. Give a positive time.")
        self._go_to(self._micros + micros)

    async def elapse(self, by: float | timedelta) -> None:
        """Let time pass as it would: each sleeper wakes at its own deadline and runs before the clock moves on."""
        end = self._micros + _micros(by)
        await _take_turns()
        while (deadline := self._next_deadline()) is not None and deadline <= end:
            self._go_to(deadline)
            await _take_turns()
        self._go_to(end)
        await _take_turns()

    def _next_deadline(self) -> int | None:
        with self._lock:
            while self._sleepers and self._sleepers[0][2].done():
                heapq.heappop(self._sleepers)
            return self._sleepers[0][0] if self._sleepers else None

    def _go_to(self, micros: int) -> None:
        self._micros = max(self._micros, micros)
        with self._lock:
            while self._sleepers and self._sleepers[0][0] <= micros:
                _, _, future = heapq.heappop(self._sleepers)
                loop = future.get_loop()
                if not loop.is_closed():
                    loop.call_soon_threadsafe(_wake, future)


def _micros(by: float | timedelta) -> int:
    return round((by.total_seconds() if isinstance(by, timedelta) else by) * 1_000_000)


def _wake(future: asyncio.Future[None]) -> None:
    if not future.done():
        future.set_result(None)


async def _take_turns() -> None:
    for _ in range(TURNS):
        await asyncio.sleep(0)
