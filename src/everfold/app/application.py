"""The App: wires aggregates, handlers, store and pipeline together, and is what users hold in their hands."""

from __future__ import annotations

import copy
import random
import sys
from collections.abc import AsyncGenerator, Callable, Coroutine, Mapping, Sequence
from contextlib import aclosing
from types import TracebackType
from typing import Any, Literal, Self, TypeVar

from everfold.app.blocking import BlockingApp
from everfold.app.command_bus import CommandBus
from everfold.app.consumers import ConsumerFunction, Consumers
from everfold.app.done import After, Answered, Done, Place
from everfold.app.instruments import Instruments
from everfold.app.lifespan import Declared, Running, start, stop
from everfold.app.middleware import Middleware
from everfold.app.middlewares.authorization import Policy
from everfold.app.moments import position_of, wanted_of
from everfold.app.operator_actions import OPERATOR_ACTIONS
from everfold.app.parts import Part, Parts
from everfold.app.services import FunctionHandler, Services
from everfold.app.settings import LoadedSettings, Settings, load_settings
from everfold.app.watching import watch_answers
from everfold.clock import Clock, SystemClock
from everfold.codec.pipeline import Codec
from everfold.domain.aggregate import Aggregate
from everfold.domain.command import Command
from everfold.domain.message import message_definition
from everfold.domain.query import Query
from everfold.engines.connect import connect
from everfold.errors import DefinitionError, StoreClosed
from everfold.identifiers import IdSource, check_text
from everfold.log.engine import Engine
from everfold.log.record import Record
from everfold.log.selection import EVERYTHING, Selection
from everfold.projections.operations import Operations
from everfold.store.event_store import EventStore
from everfold.store.time_travel import At, load_at
from everfold.subscriptions.follow import follow

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

    ``parts``: aggregates, decision models, projections, further events, upcasters. ``store``: a URL or file path
    (``sqlite:///bank.db``, ``postgresql://host/database``, ``memory:``), or an engine. ``services``: instances that
    function handlers ask for by type.
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
        self.instruments = Instruments()
        """What watches it from outside, as telemetry does."""
        self.authorize = authorize
        self.services = Services(services)
        self.rng = rng or random.Random()  # noqa: S311 (only spreads retries)
        self.new_id = IdSource(self.clock.micros).next
        self.functions: list[FunctionHandler] = []
        self.query_functions: dict[type, FunctionHandler] = {}
        self.consumer_functions: list[ConsumerFunction] = []
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
            if query in self.query_functions or query in self.parts.answers:
                raise DefinitionError(f"{query.__qualname__} has two handlers, one of them {function.__qualname__}.")
            self.query_functions[query] = handler
            self.functions.append(handler)
            return function

        return register

    def consumes(self, name: str, *, partitions: int = 1, start: Literal["first", "new"] = "first") -> Callable[[F], F]:
        """Have a function be told of events, each at least once and those of a stream in order::

            @app.consumes("welcome-mails")
            async def welcome(event: AccountOpened, record: Record, mailer: Mailer) -> None: ...

        ``name`` is permanent: its position is kept under it. The events are those of the first parameter (``A | B``
        for several); services are filled by type. ``partitions``: so many streams are dealt with side by side, spread
        over the processes. ``start``: a new consumer begins with the first event ever, or with ``"new"`` ones only.
        An event that it keeps failing on is set aside, with those behind it in its stream (``app.consumers``). After a
        crash the last events come again: deduplicate by ``record.id``, or execute commands with it as idempotency key.
        """
        names = sys._getframe(1).f_locals  # pyright: ignore[reportPrivateUsage] (the documented way to the caller)

        def register(function: F) -> F:
            self._check_stopped(function)
            consumer = ConsumerFunction(
                check_text(name, "the name of a consumer"),
                function,
                parts=partitions,
                starts_new=start == "new",
                names=names,
            )
            self._check_free(consumer)
            self.consumer_functions.append(consumer)
            self.parts.events.extend(consumer.events)
            return function

        return register

    def _check_free(self, consumer: ConsumerFunction) -> None:
        """What follows the log keeps its position under its name, consumers and projections alike."""
        name = consumer.name
        if any(other.name == name for other in self.consumer_functions):
            raise DefinitionError(f"There are two consumers named {name!r}, one of them {consumer.where}.")
        if any(projection.__everfold__.name == name for projection in self.parts.projections):
            raise DefinitionError(f"{consumer.where}: there is a projection named {name!r}. Give another name.")

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
            (*self.parts.events, *OPERATOR_ACTIONS),
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
        return Declared(
            engine=self.engine or self._connect(settings),
            codec=self._codec(settings),
            settings=settings,
            commands=self.parts.command_handlers,
            queries=self.query_functions,
            projections=self.parts.projections,
            aggregates=self.parts.aggregates,
            functions=self.functions,
            consumers=self.consumer_functions,
            services=self.services,
            middlewares=self.middlewares,
            instruments=self.instruments,
            authorize=self.authorize,
            clock=self.clock,
            rng=self.rng,
            new_id=self.new_id,
        )

    def _connect(self, settings: Settings) -> Engine:
        url, timeout, size = settings.store or f"{self.name}.db", settings.lock_timeout, settings.pool_size
        return connect(url, name=self.name, clock=self.clock, lock_timeout=timeout, pool_size=size)

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

    def replace(self, *, store: str | Engine | None = None, **settings: object) -> Self:
        """The same application with another store or other settings, for tools. Enter only one of them at a time."""
        other = copy.copy(self)
        other._store = self._store if store is None else store
        other._given_settings = {**self._given_settings, **settings}
        other._running, other._is_entered = None, False
        return other

    def override(self, **settings: object) -> None:
        """Give it other settings before it is started, for tools that run an app that somebody else holds as well."""
        if self._is_entered:
            raise DefinitionError(f"The app {self.name!r} is running already. Override settings before it starts.")
        self._given_settings = {**self._given_settings, **settings}

    # --- use

    def execute(
        self,
        command: Command[R],
        *,
        idempotency_key: str | None = None,
        expected: int | None = None,
        timeout: float | None = None,
    ) -> Coroutine[Any, Any, Done[R]]:
        """Execute a command: when it returns, what was recorded is durable.

        Raises Rejected (the domain refused), InvalidMessage, UnknownMessage, NotAuthorized, Conflict (after
        bounded retries), TimedOut, StoreError: nothing is stored then. OutcomeUnknown: retry with the same
        ``idempotency_key``, under which one command has one effect and always the same reply. ``expected``: the Version
        that the aggregate must have, as its caller saw it; Conflict when it has another. ``timeout``: seconds.
        """
        return self._bus.execute(command, idempotency_key=idempotency_key, expected=expected, timeout=timeout)

    async def ask(
        self, query: Query[R], *, after: After = None, as_of: Place = None, timeout: float | None = None
    ) -> R:
        """Answer a query.

        ``after``: what ``execute`` returned, or a Position: the answer knows everything up to there, so that one reads
        one's own write; it waits for that up to ``timeout`` seconds (by default the setting read_timeout), then raises
        ReadModelBehind. ``as_of``: a Position or an aware datetime: the answer as it would have been then, from tables
        folded for it. Raises NotFound, InvalidMessage, UnknownMessage, NotAuthorized, ReadModelNotReady or TimedOut.
        """
        return (await self.answer(query, after=after, as_of=as_of, timeout=timeout)).value

    async def answer(
        self, query: Query[R], *, after: After = None, as_of: Place = None, timeout: float | None = None
    ) -> Answered[R]:
        """As ``ask``, and also tells which position the answer knows, and a version to compare it with a later one."""
        started = self._started
        place = await position_of(as_of, self.store)
        limit = timeout if after is None else None
        wanted = wanted_of(after, started.settings.read_timeout if timeout is None else timeout)
        return await started.queries.ask(query, wanted=wanted, as_of=place, timeout=limit)

    async def version(self, query: type[Query[Any]]) -> str | None:
        """The version that an answer to this kind of query would have now (``Answered.version``), without asking."""
        return await self._started.read_side.version_text(query)

    async def watch(self, query: Query[R], *, after: After = None) -> AsyncGenerator[R, None]:
        """The answer to a query, and a new one whenever it has changed::

            async for view in app.watch(GetAccount(account_id="a1")): ...

        Changes that follow each other quickly may come as one. Ends when the caller stops; raises what ``ask`` raises.
        """
        async with aclosing(self.watch_answers(query, after=after)) as answers:
            async for answered in answers:
                yield answered.value

    def watch_answers(self, query: Query[R], *, after: After = None) -> AsyncGenerator[Answered[R], None]:
        """As ``watch``, and also tells which position each answer knows."""
        return watch_answers(self.answer, self._started.read_side, query, after)

    async def load(self, aggregate: type[A], key: object, *, at: At = None) -> A:
        """The state of an aggregate, folded from its records: now, or ``at`` a Version, Position or aware datetime.

        A copy of your own. Raises NotFound when nothing was recorded for it by then.
        """
        return (await load_at(aggregate, key, at, self._started.tools)).state

    async def follow(
        self, selection: Selection = EVERYTHING, *, after: int = 0
    ) -> AsyncGenerator[tuple[object, Record], None]:
        """Events with their records from a position on: those that are there, then each new one as it is committed.

        Never ends by itself, misses nothing and repeats nothing. Its position is kept nowhere: for that, and for
        retries, there are projections and consumers.
        """
        codec = self._started.tools.codec
        spans = follow(self._started.engine, selection, after=after, ends_in_merge=codec.ends_in_merge)
        try:
            async for span in spans:
                for pair in codec.pairs(span.records):
                    yield pair
        finally:
            await spans.aclose()

    @property
    def is_running(self) -> bool:
        """Whether it was started and has not been stopped."""
        return self._running is not None

    @property
    def store(self) -> EventStore:
        """The event store, for reading the log and appending without an aggregate. Only while the app is running."""
        return self._started.tools.events

    @property
    def projections(self) -> Operations:
        """The projections, for operators: their status, pausing, rebuilding, events set aside. While it is running."""
        return self._started.read_side.operations

    @property
    def consumers(self) -> Consumers:
        """The consumers, for operators: their status, pausing, events set aside. Only while the app is running."""
        return self._started.consumers

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
        return _by_name({**self.query_functions, **self.parts.answers})

    def aggregates(self) -> dict[str, type[Aggregate]]:
        """Every aggregate by its category."""
        return {aggregate.__everfold__.category: aggregate for aggregate in self.parts.aggregates}


def _by_name(messages: Mapping[type, object]) -> dict[str, type]:
    named = ((message_definition(message), message) for message in messages)
    return {definition.name: message for definition, message in named if definition}
