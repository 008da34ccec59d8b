"""Ctrl-C and SIGTERM for a service: the first ends it in good order, the second does not wait, the third is the last.

Used by ``run``, in the process that serves and in the one that watches over others.
"""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from types import TracebackType
from typing import Self

from everfold.cli.interruption import SIGNALS

__all__ = ["Stopping"]


class Stopping:
    """Whether somebody has asked this process to stop. Until the service runs, that cancels its start."""

    def __init__(self, numbers: Sequence[signal.Signals] = SIGNALS) -> None:
        self._numbers = numbers
        self._installed: list[signal.Signals] = []
        self._task: asyncio.Task[object] | None = None
        self._asked = asyncio.Event()
        self._stop: Callable[[], None] | None = None
        self._force: Callable[[], None] | None = None
        self._times = 0

    def __enter__(self) -> Self:
        self._task = asyncio.current_task()
        loop = asyncio.get_running_loop()
        for number in self._numbers:
            try:
                loop.add_signal_handler(number, self.ask)
            except (NotImplementedError, RuntimeError, ValueError):
                continue  # Windows, or not the main thread: Ctrl-C raises KeyboardInterrupt there
            self._installed.append(number)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> bool:
        self._let_go()
        return isinstance(error, asyncio.CancelledError) and self.was_asked  # it was us who cancelled

    @property
    def was_asked(self) -> bool:
        """Whether somebody has."""
        return self._asked.is_set()

    async def wait(self) -> None:
        """Until somebody does."""
        await self._asked.wait()

    @contextmanager
    def means(self, stop: Callable[[], None], force: Callable[[], None]) -> Generator[None]:
        """What is called instead, from here on and to the end: at the first time, and at the second."""
        self._stop, self._force = stop, force
        yield
        self._asked.set()  # nothing is cancelled any more: what follows is the closing

    def ask(self) -> None:
        """Somebody asks."""
        self._times += 1
        self._asked.set()
        if self._stop is None or self._force is None:
            if self._task is not None:
                self._task.cancel()
        elif self._times == 1:
            self._stop()
        else:
            self._force()
        if self._times > 1:
            self._let_go()  # another one has the effect that the system gives it

    def _let_go(self) -> None:
        loop = asyncio.get_running_loop()
        while self._installed:
            loop.remove_signal_handler(self._installed.pop())
