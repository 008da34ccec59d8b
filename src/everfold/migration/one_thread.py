"""One thread for blocking work, job after job, while the event loop goes on. Used by import, export and restore."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from types import TracebackType
from typing import Self, TypeVar

__all__ = ["OneThread"]

T = TypeVar("T")


class OneThread:
    """A thread for as long as the block runs; at its end the job under way is finished."""

    def __init__(self, name: str) -> None:
        self._executor = ThreadPoolExecutor(1, name)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._executor.shutdown(wait=True, cancel_futures=True)

    async def do(self, job: Callable[[], T]) -> T:
        """Run the job behind those before. A caller that is cancelled does not stop it."""
        return await asyncio.get_running_loop().run_in_executor(self._executor, job)

    async def finish(self, job: Callable[[], T]) -> T:
        """As ``do``, and the job is done even when the caller is cancelled again."""
        return await asyncio.shield(self.do(job))
