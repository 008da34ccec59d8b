"""Where read models live: in the log's schema. What follows the log (views), and what is written with it (beside)."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, TypeVar

from everfold.engines.postgres.open_store import OpenStore
from everfold.log.read_database import NotNow

__all__ = ["Beside", "Views"]

T = TypeVar("T")


class Views:
    """Read models that follow at their own pace, on a connection of their own."""

    dialect = "postgresql"

    def __init__(self, opened: Callable[[], OpenStore]) -> None:
        self._opened = opened

    async def write(self, job: Callable[[Any], T]) -> T:
        """In the thread that writes views. A power cut may take the last transactions, in order."""
        store = self._opened()
        return await store.views_thread.do(partial(store.views.run, job))

    async def read(self, job: Callable[[Any], T]) -> T:
        """With one of the connections that only read."""
        return await self._opened().look(job)

    def glance(self, job: Callable[[Any], T]) -> T:
        """Never: the answer of a server takes longer than an event loop should be kept waiting."""
        self._opened()
        raise NotNow


class Beside(Views):
    """What is written with the log: jobs and batches take turns."""

    async def write(self, job: Callable[[Any], T]) -> T:
        """Under the lock of the head, as durable as an append."""
        store = self._opened()
        return await store.writer_thread.do(partial(store.writer.run, job))
