"""A thread that owns one connection and does jobs with it, for the event loop. Used for writing.

One hop to the thread and back per job, and a job is a whole batch or page: never a hop per record.
"""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import Callable
from functools import partial
from queue import SimpleQueue
from typing import Any, TypeVar

__all__ = ["Worker"]

_log = logging.getLogger("everfold.engines")
T = TypeVar("T")
_Answer = Callable[[object, BaseException | None], None]
_Entry = tuple[Callable[[], Any], _Answer]


class Worker:
    """One thread and its queue of jobs, done in order."""

    def __init__(self, name: str) -> None:
        self._jobs: SimpleQueue[_Entry | None] = SimpleQueue()
        self._thread = threading.Thread(target=self._work, name=name, daemon=True)
        self._thread.start()

    async def do(self, job: Callable[[], T], *, then: Callable[[], None] | None = None) -> T:
        """Have the job done in the thread; its result or exception.

        Cancelling the caller does not stop the job. ``then`` is called in the event loop when the job has
        ended, whether or not anybody still waits for it.
        """
        loop = asyncio.get_running_loop()
        future: asyncio.Future[T] = loop.create_future()
        self._jobs.put((job, partial(_answer, loop, future, then)))
        return await future

    def post(self, job: Callable[[], object]) -> None:
        """Have the job done some time; nobody waits for it, and its failure is only logged."""
        self._jobs.put((job, _complain))

    def stop(self, *, wait: bool = True) -> None:
        """Let the thread end when its queue is empty, and wait for it."""
        self._jobs.put(None)
        if wait:
            self._thread.join()

    def _work(self) -> None:
        while entry := self._jobs.get():
            _run(*entry)
            entry = None  # what the job held is not kept alive until the next one comes


def _run(job: Callable[[], Any], answer: _Answer) -> None:
    try:
        result = job()
    except BaseException as error:
        answer(None, error)
    else:
        answer(result, None)


def _complain(_result: object, error: BaseException | None) -> None:
    if error:
        _log.warning("a background job of the store failed: %s", error)


def _answer(
    loop: asyncio.AbstractEventLoop,
    future: asyncio.Future[Any],
    then: Callable[[], None] | None,
    result: object,
    error: BaseException | None,
) -> None:
    try:
        loop.call_soon_threadsafe(_settle, future, then, result, error)
    except RuntimeError:  # the loop was closed meanwhile: nobody waits for the result any more
        _log.debug("a job of the store ended after its event loop did")


def _settle(
    future: asyncio.Future[Any],
    then: Callable[[], None] | None,
    result: object,
    error: BaseException | None,
) -> None:
    if then:
        then()
    if future.done():  # the caller was cancelled
        return
    if error is None:
        future.set_result(result)
    else:
        future.set_exception(error)
