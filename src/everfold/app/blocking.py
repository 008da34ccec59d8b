"""The blocking facade: an app for Django, Flask, scripts and notebooks. A thin portal to an event loop in a thread."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncGenerator, AsyncIterator, Coroutine, Iterator
from contextvars import copy_context
from types import TracebackType
from typing import Any, Protocol, Self, TypeVar

from everfold.app.done import After, Done, Place
from everfold.domain.aggregate import Aggregate
from everfold.domain.command import Command
from everfold.domain.query import Query
from everfold.errors import DefinitionError, StoreClosed
from everfold.log.record import Record
from everfold.log.selection import EVERYTHING, Selection
from everfold.store.event_store import EventStore
from everfold.store.time_travel import At

__all__ = ["AsyncApp", "BlockingApp"]

CHUNK = 500

A = TypeVar("A", bound=Aggregate)
R = TypeVar("R")
T = TypeVar("T")


class AsyncApp(Protocol):
    """What the facade needs of ``App``."""

    async def __aenter__(self) -> object: ...

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None: ...

    def execute(
        self,
        command: Command[R],
        *,
        idempotency_key: str | None = None,
        expected: int | None = None,
        timeout: float | None = None,
    ) -> Coroutine[Any, Any, Done[R]]:
        """Execute a command."""
        ...

    def ask(
        self, query: Query[R], *, after: After = None, as_of: Place = None, timeout: float | None = None
    ) -> Coroutine[Any, Any, R]:
        """Answer a query."""
        ...

    def watch(self, query: Query[R], *, after: After = None) -> AsyncGenerator[R, None]:
        """The answers to a query."""
        ...

    def load(self, aggregate: type[A], key: object, *, at: At = None) -> Coroutine[Any, Any, A]:
        """The state of an aggregate."""
        ...

    @property
    def store(self) -> EventStore:
        """The event store."""
        ...


class BlockingApp:
    """The app without async. Any number of threads may use it at once; their commands share group commits."""

    def __init__(self, app: AsyncApp) -> None:
        self._app = app
        self._loop: asyncio.AbstractEventLoop | None = None

    def __enter__(self) -> Self:
        """Start the loop's thread, then the app in it."""
        if self._loop is not None:
            raise DefinitionError("This blocking app is in use already. Enter it once, and share it.")
        loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=loop.run_forever, name="everfold-portal", daemon=True)
        self._thread.start()
        self._loop = loop
        try:
            self.call(self._app.__aenter__())
        except BaseException:
            self._end(loop)
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Finish what was accepted, close the store, end the thread."""
        loop = self._loop
        if loop is None:
            return
        try:
            self.call(self._app.__aexit__(kind, error, traceback))
        finally:
            self._end(loop)

    def _end(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = None
        loop.call_soon_threadsafe(loop.stop)
        self._thread.join()
        loop.close()

    def call(self, coroutine: Coroutine[Any, Any, T]) -> T:
        """Run any coroutine of the app in its loop, with this thread's ambient metadata, and wait for the result."""
        loop = self._loop
        if loop is None:
            coroutine.close()
            raise StoreClosed("The app is not running. Use it inside `with app.blocking() as ...`.")
        if threading.current_thread() is self._thread:
            coroutine.close()
            raise DefinitionError(
                "A handler called the blocking app that runs it, and would wait for itself for ever. Make the handler "
                "async and await the app."
            )
        context = copy_context()

        async def in_context() -> T:
            return await asyncio.get_running_loop().create_task(coroutine, context=context)

        future = asyncio.run_coroutine_threadsafe(in_context(), loop)
        try:
            return future.result()
        except BaseException:
            future.cancel()
            raise

    def execute(
        self,
        command: Command[R],
        *,
        idempotency_key: str | None = None,
        expected: int | None = None,
        timeout: float | None = None,
    ) -> Done[R]:
        """``App.execute``."""
        return self.call(
            self._app.execute(command, idempotency_key=idempotency_key, expected=expected, timeout=timeout)
        )

    def ask(self, query: Query[R], *, after: After = None, as_of: Place = None, timeout: float | None = None) -> R:
        """``App.ask``."""
        return self.call(self._app.ask(query, after=after, as_of=as_of, timeout=timeout))

    def watch(self, query: Query[R], *, after: After = None) -> Iterator[R]:
        """``App.watch``: waits within ``next``."""
        source = self._app.watch(query, after=after)
        try:
            while answers := self.call(_take(source, 1)):
                yield from answers
        finally:
            self.call(source.aclose())

    def load(self, aggregate: type[A], key: object, *, at: At = None) -> A:
        """``App.load``."""
        return self.call(self._app.load(aggregate, key, at=at))

    def read(
        self, selection: Selection = EVERYTHING, *, after: int = 0, until: int | None = None
    ) -> Iterator[tuple[object, Record]]:
        """``App.store.read``: selected events with their records, fetched page by page."""
        source = self._app.store.read(selection, after=after, until=until)
        try:
            while chunk := self.call(_take(source, CHUNK)):
                yield from chunk
        finally:
            self.call(source.aclose())


async def _take(source: AsyncIterator[T], count: int) -> list[T]:
    taken: list[T] = []
    async for item in source:
        taken.append(item)
        if len(taken) == count:
            break
    return taken
