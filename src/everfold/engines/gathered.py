"""Requests that are made while others are being dealt with are dealt with together. Nobody waits for others to come.

Used where one trip to a server can do for many: streams to be folded (``postgres.stream_loads``), and queries.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Generic, TypeVar

__all__ = ["Done", "Gathered", "settle"]

W = TypeVar("W")
MOST_AT_ONCE = 2
Done = tuple[Any, Exception | None]
"""A result, or why there is none."""


class Gathered(Generic[W]):
    """What is waiting, and the few batches under way."""

    def __init__(self, deal: Callable[[list[W]], Awaitable[Sequence[Done]]], *, most: int, name: str) -> None:
        """``deal``: deals with a batch of at most ``most``, and tells what became of each."""
        self._deal = deal
        self._most = most
        self._name = name
        self._waiting: deque[tuple[W, asyncio.Future[Any]]] = deque()
        self._tasks: set[asyncio.Task[None]] = set()

    def ask(self, wanted: W) -> asyncio.Future[Any]:
        """What becomes of it."""
        loop = asyncio.get_running_loop()
        future: asyncio.Future[Any] = loop.create_future()
        self._waiting.append((wanted, future))
        if len(self._tasks) < MOST_AT_ONCE:
            task = loop.create_task(self._deal_with_all(), name=self._name)
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
        return future

    async def _deal_with_all(self) -> None:
        # The task starts only after every task that is ready now has run: what they want is in the first batch.
        while batch := self._take():
            futures = [future for _, future in batch]
            try:
                done = await self._deal([wanted for wanted, _ in batch])
            except Exception as error:
                done = [(None, error)] * len(batch)
            except BaseException:  # the loop is shutting down
                for future in futures:
                    future.cancel()
                raise
            settle(futures, done)

    def _take(self) -> list[tuple[W, asyncio.Future[Any]]]:
        taken: list[tuple[W, asyncio.Future[Any]]] = []
        while self._waiting and len(taken) < self._most:
            entry = self._waiting.popleft()
            if not entry[1].done():  # a caller that gave up
                taken.append(entry)
        return taken


def settle(futures: Sequence[asyncio.Future[Any]], done: Sequence[Done]) -> None:
    """Tell everybody who still waits."""
    for future, (result, problem) in zip(futures, done, strict=True):
        if future.done():  # the caller was cancelled
            continue
        if problem is None:
            future.set_result(result)
        else:
            future.set_exception(problem)
