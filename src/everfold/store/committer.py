"""Group commit: appends that arrive while a commit is under way are written together in the next one.

Every process has one committer per log. Batching is never a timer: an idle committer writes at once, and a busy one
lets the event loop turn a few times between two batches.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Coroutine, Iterable
from typing import Any

from everfold.errors import OutcomeUnknown, StoreClosed
from everfold.log.engine import LogEngine
from everfold.log.write import Failed, Outcome, Write

__all__ = ["Commit", "Committer", "was_committing"]

MAX_BATCH = 500
MAX_BATCH_CHARACTERS = 16_000_000
"""Of events' data in one batch; a single write may have more. What is committed together lies in memory together."""
GATHERING_TURNS = 3
"""Turns of the event loop between two batches: those who waited for the one go on, what their callers ask next is read,
and it is decided. Without them callers part into two groups that take turns, and half as many share a commit."""
COMMITTING = "an append was under way"
INTERRUPTED = (
    "The event loop was shut down while an append was under way. It may or may not be stored: retry with the same "
    "idempotency key, or look."
)
Commit = Callable[[Write], Coroutine[Any, Any, Outcome]]
_Waiting = tuple[Write, "asyncio.Future[Outcome]"]


class Committer:
    """Hands writes to the engine, one batch at a time, and each outcome to the task that waits for it."""

    def __init__(
        self, engine: LogEngine, *, max_batch: int = MAX_BATCH, around: Callable[[Commit], Commit] | None = None
    ) -> None:
        """``around``: what watches each commit, in the task that asked for it."""
        self.commit: Commit = around(self._commit) if around else self._commit
        """Store the write and return its outcome, or raise what the engine raises for the whole batch.

        A caller that is cancelled before its write was handed to the engine has stored nothing; afterwards the
        write is stored or not as if the caller had waited.
        """
        self._engine = engine
        self._max_batch = max_batch
        self._waiting: deque[_Waiting] = deque()
        self._run: asyncio.Task[None] | None = None
        self._is_open = True

    async def _commit(self, write: Write) -> Outcome:
        if not self._is_open:
            raise StoreClosed("The store is closing. Nothing was stored.")
        future: asyncio.Future[Outcome] = asyncio.get_running_loop().create_future()
        self._waiting.append((write, future))
        if self._run is None:
            self._run = asyncio.create_task(self._commit_all(), name="everfold-committer")
        try:
            outcome = await future
        except asyncio.CancelledError as cancelled:
            if self._has_taken(write):
                cancelled.args = (COMMITTING,)
            raise
        if isinstance(outcome, Failed):
            raise outcome.error
        return outcome

    def _has_taken(self, write: Write) -> bool:
        return all(waiting is not write for waiting, _ in self._waiting)

    async def close(self) -> None:
        """Refuse new writes and wait for the accepted ones."""
        self._is_open = False
        if self._run:
            await asyncio.wait((self._run,))

    async def _commit_all(self) -> None:
        # The task starts only after every task that is ready now has run: they all join the first batch.
        try:
            while batch := self._take():
                await self._commit_batch(batch)
                await self._gather()
        except BaseException:  # the loop is shutting down
            self._fail(self._waiting, StoreClosed("The event loop is shutting down. Nothing was stored."))
            self._waiting.clear()
            raise
        finally:
            self._run = None

    @staticmethod
    async def _gather() -> None:
        for _ in range(GATHERING_TURNS):
            await asyncio.sleep(0)

    def _take(self) -> list[_Waiting]:
        batch: list[_Waiting] = []
        room = MAX_BATCH_CHARACTERS
        while self._waiting and len(batch) < self._max_batch and room > 0:
            entry = self._waiting.popleft()
            if not entry[1].done():  # a caller that gave up in time has stored nothing
                batch.append(entry)
                room -= _size(entry[0])
        return batch

    async def _commit_batch(self, batch: list[_Waiting]) -> None:
        try:
            outcomes = await self._engine.append([write for write, _ in batch])
        except BaseException as error:
            is_over = not isinstance(error, Exception)  # the loop is shutting down
            self._fail(batch, OutcomeUnknown(INTERRUPTED) if is_over else error)
            if is_over:
                raise
            return
        for (_, future), outcome in zip(batch, outcomes, strict=True):
            if not future.done():
                future.set_result(outcome)

    @staticmethod
    def _fail(waiting: Iterable[_Waiting], error: BaseException) -> None:
        for _, future in waiting:
            if not future.done():
                future.set_exception(error)


def _size(write: Write) -> int:
    return sum([len(record.data) for part in write.appends for record in part.records])


def was_committing(error: BaseException | None) -> bool:
    """Whether a task was cancelled (perhaps by a timeout) when its append was out of our hands: stored or not."""
    while error is not None:
        if isinstance(error, asyncio.CancelledError) and error.args == (COMMITTING,):
            return True
        error = error.__cause__
    return False
