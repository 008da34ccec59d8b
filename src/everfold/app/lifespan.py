"""Starting and stopping an app: everything is checked before anything is opened, and closed in reverse."""

from __future__ import annotations

import random
import sys
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any

import msgspec

from everfold.app.command_bus import CommandBus, CommandHandler
from everfold.app.middleware import Middleware
from everfold.app.middlewares.authorization import Policy
from everfold.app.pipeline import command_pipeline, query_pipeline
from everfold.app.query_bus import QueryBus
from everfold.app.services import FunctionHandler, Services
from everfold.app.settings import Settings
from everfold.clock import Clock
from everfold.codec.pipeline import Codec
from everfold.domain.aggregate import Aggregate
from everfold.log.engine import Engine
from everfold.store.boundary import Tools
from everfold.store.cache import HotStates
from everfold.store.committer import Committer
from everfold.store.event_store import EventStore
from everfold.store.unit_of_work import UnitOfWork

__all__ = ["Declared", "Running", "start", "stop"]


class Declared(msgspec.Struct, frozen=True, kw_only=True):
    """What an app was told before it starts."""

    engine: Engine
    codec: Codec
    settings: Settings
    commands: Mapping[type, CommandHandler]
    queries: Mapping[type, FunctionHandler]
    aggregates: Sequence[type[Aggregate]]
    functions: Sequence[FunctionHandler]
    """Every function handler, of commands and of queries."""
    services: Services
    middlewares: Sequence[Middleware]
    authorize: Policy | None
    clock: Clock
    rng: random.Random
    new_id: Callable[[], str]


class Running(msgspec.Struct, frozen=True):
    """What an app holds while it runs."""

    engine: Engine
    tools: Tools
    commands: CommandBus
    queries: QueryBus


async def start(declared: Declared) -> Running:
    """Find what every handler asks for, build the buses, and open the engine last."""
    engine, codec = declared.engine, declared.codec
    events = EventStore(engine, codec, Committer(engine))
    tools = Tools(
        events=events,
        codec=codec,
        hot=HotStates(declared.settings.hot_aggregates),
        clock=declared.clock,
        snapshotters={},
        is_checked=_is_checked(declared.settings),
    )
    declared.services.add(EventStore, events)
    for function in declared.functions:
        function.bind(declared.services, declared.aggregates)
    running = Running(engine, tools, _command_bus(declared, tools), _query_bus(declared, tools))
    try:
        await engine.open()
    except BaseException:
        await engine.close()
        raise
    return running


async def stop(running: Running) -> None:
    """Refuse new work, finish what was accepted, close the engine."""
    try:
        await running.tools.events.committer.close()
    finally:
        await running.engine.close()


def _is_checked(settings: Settings) -> bool:
    return sys.flags.dev_mode if settings.checks is None else settings.checks


def _command_bus(declared: Declared, tools: Tools) -> CommandBus:
    middlewares = command_pipeline(declared.settings, declared.middlewares, declared.authorize)
    return CommandBus(declared.commands, middlewares, tools=tools, new_id=declared.new_id, rng=declared.rng)


def _query_bus(declared: Declared, tools: Tools) -> QueryBus:
    handlers = {query: _answer(function, tools) for query, function in declared.queries.items()}
    middlewares = query_pipeline(declared.settings, declared.middlewares, declared.authorize)
    return QueryBus(handlers, middlewares, new_id=declared.new_id)


def _answer(function: FunctionHandler, tools: Tools) -> Callable[[Any], Awaitable[Any]]:
    async def answer(query: Any) -> Any:
        unit = UnitOfWork(tools, is_read_only=True)
        try:
            return await function(unit, query)
        finally:
            unit.leave()

    return answer
