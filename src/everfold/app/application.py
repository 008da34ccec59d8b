"""The App: wires aggregates, handlers, store and pipeline together, and is what users hold in their hands."""

from __future__ import annotations

import random
import sys
from collections.abc import Callable, Coroutine, Mapping, Sequence
from types import TracebackType
from typing import Any, Self, TypeVar

from everfold.app.blocking import BlockingApp
from everfold.app.command_bus import CommandBus
from everfold.app.done import Done
from everfold.app.lifespan import Declared, Running, start, stop
from everfold.app.middleware import Middleware
from everfold.app.middlewares.authorization import Policy
from everfold.app.parts import Part, Parts
from everfold.app.services import FunctionHandler, Services
from everfold.app.settings import LoadedSettings, Settings, load_settings
from everfold.clock import Clock, SystemClock
from everfold.codec.pipeline import Codec
from everfold.domain.aggregate import Aggregate
from everfold.domain.command import Command
from everfold.domain.message import message_definition
from everfold.domain.query import Query
from everfold.engines.connect import connect
from everfold.errors import DefinitionError, StoreClosed
from everfold.identifiers import IdSource
from everfold.log.engine import Engine
from everfold.store.event_store import EventStore
from everfold.store.time_travel import At, load_at

__all__ = ["App"]

A = TypeVar("A", bound=Aggregate)
R = TypeVar("R")
F = TypeVar("F", bound=Callable[..., Any])


class App:
    """An event-sourced application::

        app = App("bank", Account)               # default store: the SQLite file ./bank.db

        async with app:
            done = await app.execute(OpenAccount(account_id="a1", owner="Ann"))
            account = await app.load(Account, "a1")

    ``parts``: aggregates, decision models, further events, upcasters. ``store``: a URL or file path
    (``sqlite:///bank.db``, ``memory:``), or an engine. ``services``: instances that function handlers ask for by type.
    ``middlewares``: of your own, inside the built-in ones. ``authorize``: a policy asked for every message. Other
    keyword arguments are settings (``app.settings``). Nothing is opened before the app is entered.
    """

    def __init__(
        self,
        name: str,
        *parts: Part,
        store: str | Engine | None = None,
        events: Sequence[type] = (),
        services: Sequence[object] | Mapping[type, object] = (),
        middlewares: Sequence[Middleware] = (),
        authorize: Policy | None = None,
        clock: Clock | None = None,
        rng: random.Random | None = None,
        **settings: object,
    ) -> None:
        self.name = name
        self.clock = clock or SystemClock()
        self.parts = Parts(parts, events)
        self.middlewares = tuple(middlewares)
        self.authorize = authorize
        self.services = Services(services)
        self.rng = rng or random.Random()  # noqa: S311 (only spreads retries)
        self.new_id = IdSource(self.clock.micros).next
        self.functions: list[FunctionHandler] = []
        self.query_functions: dict[type, FunctionHandler] = {}
        self._store = store
        self._given_settings = settings
        self._running: Running | None = None
        self._is_entered = False

    # --- declaring handlers

    def handles(self, command: type[Command[Any]]) -> Callable[[F], F]:
        """Make a function the handler of a command, for decisions that need I/O or services::

            @app.handles(PlaceOrder)
            async def place(command: PlaceOrder, orders: Repository[Order], rates: ExchangeRates) -> None: ...

        Its further parameters are filled by type. It is one unit of work, and runs again after a conflict.
        """
        names = sys._getframe(1).f_locals  # pyright: ignore[reportPrivateUsage] (the documented way to the caller)

        def register(function: F) -> F:
            handler = FunctionHandler(function, command, names=names)
            self._check_stopped(function)
            self.parts.add_command(command, handler, function.__qualname__)
            self.functions.append(handler)
            return function

        return register

    def answers(self, query: type[Query[Any]]) -> Callable[[F], F]:
        """Make a function the handler of a query; its further parameters are filled by type. It records nothing."""
        names = sys._getframe(1).f_locals  # pyright: ignore[reportPrivateUsage] (the documented way to the caller)

        def register(function: F) -> F:
            handler = FunctionHandler(function, query, names=names)
            self._check_stopped(function)
            if query in self.query_functions:
                raise DefinitionError(f"{query.__qualname__} has two handlers, one of them {function.__qualname__}.")
            self.query_functions[query] = handler
            self.functions.append(handler)
            return function

        return register

    def _check_stopped(self, function: Callable[..., Any]) -> None:
        if self._is_entered:
            raise DefinitionError(f"{function.__qualname__} comes too late: declare handlers before the app starts.")

    # --- life cycle

    def settings(self) -> LoadedSettings:
        """The settings in force and where each comes from, read anew; ConfigurationError when one is wrong."""
        store = self._store if isinstance(self._store, str) else None
        return load_settings({"store": store, **self._given_settings})

    @property
    def engine(self) -> Engine | None:
        """The engine given instead of a URL, if one was."""
        return None if isinstance(self._store, str) else self._store

    def codec(self) -> Codec:
        """The codec of this application; DefinitionError when names or upcasters do not fit together."""
        return self._codec(self.settings().values)

    def _codec(self, settings: Settings) -> Codec:
        return Codec(
            self.parts.events,
            upcasters=self.parts.upcasters,
            new_id=self.new_id,
            max_event_bytes=settings.max_event_bytes,
        )

    async def __aenter__(self) -> Self:
        """Check everything, open the store, and be ready."""
        if self._is_entered:
            raise DefinitionError(f"The app {self.name!r} is running already. Enter it once, and share it.")
        self._is_entered = True
        try:
            self._running = await start(self._declared())
        except BaseException:
            self._is_entered = False
            raise
        return self

    def _declared(self) -> Declared:
        settings = self.settings().values
        url = settings.store or f"{self.name}.db"
        return Declared(
            engine=self.engine or connect(url, clock=self.clock, lock_timeout=settings.lock_timeout),
            codec=self._codec(settings),
            settings=settings,
            commands=self.parts.command_handlers,
            queries=self.query_functions,
            aggregates=self.parts.aggregates,
            functions=self.functions,
            services=self.services,
            middlewares=self.middlewares,
            authorize=self.authorize,
            clock=self.clock,
            rng=self.rng,
            new_id=self.new_id,
        )

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Finish what was accepted and close the store."""
        running, self._running = self._running, None
        if running:
            try:
                await stop(running)
            finally:
                self._is_entered = False

    def blocking(self) -> BlockingApp:
        """The same app for code without async: ``with app.blocking() as bank: bank.execute(...)``."""
        return BlockingApp(self)

    # --- use

    def execute(
        self, command: Command[R], *, idempotency_key: str | None = None, timeout: float | None = None
    ) -> Coroutine[Any, Any, Done[R]]:
        """Execute a command: when it returns, what was recorded is durable.

        Raises Rejected (the domain refused), InvalidMessage, UnknownMessage, NotAuthorized, Conflict (after
        bounded retries), TimedOut, StoreError: nothing is stored then. OutcomeUnknown: retry with the same
        ``idempotency_key``, under which one command has one effect and always the same reply. ``timeout``: seconds.
        """
        return self._bus.execute(command, idempotency_key=idempotency_key, timeout=timeout)

    async def ask(self, query: Query[R], *, timeout: float | None = None) -> R:
        """Answer a query. Raises NotFound, InvalidMessage, UnknownMessage, NotAuthorized or TimedOut."""
        return await self._started.queries.ask(query, timeout=timeout)

    async def load(self, aggregate: type[A], key: object, *, at: At = None) -> A:
        """The state of an aggregate, folded from its records: now, or ``at`` a Version, Position or aware datetime.

        A copy of your own. Raises NotFound when nothing was recorded for it by then.
        """
        return (await load_at(aggregate, key, at, self._started.tools)).state

    @property
    def store(self) -> EventStore:
        """The event store, for reading the log and appending without an aggregate. Only while the app is running."""
        return self._started.tools.events

    @property
    def _bus(self) -> CommandBus:
        return self._started.commands

    @property
    def _started(self) -> Running:
        if self._running is None:
            raise StoreClosed(
                f"The app {self.name!r} is not running. Use it inside `async with app` or `app.blocking()`."
            )
        return self._running

    # --- introspection

    def commands(self) -> dict[str, type]:
        """Every command that has a handler, by its permanent name."""
        return _by_name(self.parts.command_handlers)

    def queries(self) -> dict[str, type]:
        """Every query that has a handler, by its permanent name."""
        return _by_name(self.query_functions)

    def aggregates(self) -> dict[str, type[Aggregate]]:
        """Every aggregate by its category."""
        return {aggregate.__everfold__.category: aggregate for aggregate in self.parts.aggregates}


def _by_name(messages: Mapping[type, object]) -> dict[str, type]:
    named = ((message_definition(message), message) for message in messages)
    return {definition.name: message for definition, message in named if definition}
