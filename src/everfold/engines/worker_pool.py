"""Threads with a connection each that do the jobs of one queue, for the event loop. Used for reading.

Whoever is idle takes the next job, so none waits behind a slow one while another thread has nothing to do. Results are
handed over together: however many jobs end while the loop is busy, they wake it once.
"""

from __future__ import annotations

import asyncio
import logging
import threading
from collections import deque
from collections.abc import Callable, Sequence
from queue import SimpleQueue
from typing import Any, Generic, Protocol, TypeVar

from everfold.errors import StoreClosed

__all__ = ["WorkerPool"]

_log = logging.getLogger("everfold.engines")
T = TypeVar("T")


class _Closable(Protocol):
    def close(self) -> None: ...


C = TypeVar("C", bound=_Closable)
_Entry = tuple[Callable[[Any], Any], "asyncio.Future[Any]", "_Replies"]


class WorkerPool(Generic[C]):
    """A thread for each connection."""

    def __init__(self, connections: Sequence[C], *, name: str = "everfold-reader") -> None:
        self._connections = connections
        self._jobs: SimpleQueue[_Entry | None] = SimpleQueue()
        self._replies: _Replies | None = None
        self._is_closed = False
        self._threads = [
            threading.Thread(target=self._work, args=(connection,), name=f"{name}-{number}", daemon=True)
            for number, connection in enumerate(connections)
        ]
        for thread in self._threads:
            thread.start()

    async def do(self, job: Callable[[C], T]) -> T:
        """Have the job done with one of the connections; its result or exception.

        Cancelling the caller does not stop a job that was begun. StoreClosed when the pool was closed before.
        """
        loop = asyncio.get_running_loop()
        future: asyncio.Future[T] = loop.create_future()
        if self._is_closed:
            raise StoreClosed("The store was closed before this read began. Open it again to go on.")
        self._jobs.put((job, future, self._replies_to(loop)))
        return await future

    def _replies_to(self, loop: asyncio.AbstractEventLoop) -> _Replies:
        replies = self._replies
        if replies is None or replies.loop is not loop:
            replies = self._replies = _Replies(loop)
        return replies

    def _work(self, connection: C) -> None:
        while entry := self._jobs.get():
            job, future, replies = entry
            if not future.cancelled():
                _do(job, connection, future, replies)
            del entry, job, future, replies  # what the job held is not kept alive until the next one comes
        connection.close()

    async def close(self) -> None:
        """Finish the jobs that were taken, refuse later ones, end the threads, close the connections."""
        self._is_closed = True
        for _ in self._threads:
            self._jobs.put(None)
        try:
            await asyncio.to_thread(self._join)
        finally:
            self._join()
            for connection in self._connections:
                connection.close()

    def _join(self) -> None:
        for thread in self._threads:
            thread.join()


def _do(
    job: Callable[[Any], Any],
    connection: Any,
    future: asyncio.Future[Any],
    replies: _Replies,
) -> None:
    try:
        result = job(connection)
    except BaseException as error:
        replies.add(future, None, error)
    else:
        replies.add(future, result, None)


class _Replies:
    """What the threads have to tell one event loop."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.loop = loop
        self._waiting: deque[tuple[asyncio.Future[Any], Any, BaseException | None]] = deque()
        self._is_called = False

    def add(self, future: asyncio.Future[Any], result: Any, error: BaseException | None) -> None:
        """From any thread: have the loop settle the future, by a call that is perhaps on its way already."""
        self._waiting.append((future, result, error))
        if self._is_called:
            return
        self._is_called = True
        try:
            self.loop.call_soon_threadsafe(self._settle)
        except RuntimeError:  # the loop was closed meanwhile: nobody waits for the result any more
            _log.debug("a job of the store ended after its event loop did")

    def _settle(self) -> None:
        self._is_called = False  # before looking: what comes from now on calls again
        while self._waiting:
            future, result, error = self._waiting.popleft()
            if future.done():  # the caller was cancelled
                continue
            if error is None:
                future.set_result(result)
            else:
                future.set_exception(error)
