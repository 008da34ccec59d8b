"""Starting and stopping an app: everything is checked before anything is opened, and closed in reverse."""

from __future__ import annotations

import random
import sys
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import msgspec

from everfold.app.command_bus import CommandBus, CommandHandler
from everfold.app.consumers import ConsumerFunction, Consumers
from everfold.app.instruments import Instruments
from everfold.app.middleware import Envelope, Middleware
from everfold.app.middlewares.authorization import Policy
from everfold.app.pipeline import command_pipeline, query_pipeline
from everfold.app.query_bus import QueryBus, QueryHandler
from everfold.app.services import FunctionHandler, Services
from everfold.app.settings import Settings
from everfold.clock import Clock
from everfold.codec.pipeline import Codec
from everfold.domain.aggregate import Aggregate
from everfold.errors import InvalidMessage
from everfold.log.engine import Engine
from everfold.projections.projection import Projection
from everfold.projections.read_side import ReadSide, ReadSideTools
from everfold.store.boundary import Tools
from everfold.store.cache import HotStates
from everfold.store.committer import Committer
from everfold.store.event_store import EventStore
from everfold.store.unit_of_work import UnitOfWork
from everfold.subscriptions.consumer_group import GroupTools

__all__ = ["Declared", "Running", "start", "stop"]


class Declared(msgspec.Struct, frozen=True, kw_only=True):
    """What an app was told before it starts."""

    engine: Engine
    codec: Codec
    settings: Settings
    commands: Mapping[type, CommandHandler]
    queries: Mapping[type, FunctionHandler]
    projections: Sequence[type[Projection]]
    aggregates: Sequence[type[Aggregate]]
    functions: Sequence[FunctionHandler]
    """Every function handler, of commands and of queries."""
    consumers: Sequence[ConsumerFunction]
    services: Services
    middlewares: Sequence[Middleware]
    instruments: Instruments
    authorize: Policy | None
    clock: Clock
    rng: random.Random
    new_id: Callable[[], str]


class Running(msgspec.Struct, frozen=True, kw_only=True):
    """What an app holds while it runs."""

    engine: Engine
    settings: Settings
    tools: Tools
    commands: CommandBus
    queries: QueryBus
    read_side: ReadSide
    consumers: Consumers


async def start(declared: Declared) -> Running:
    """Find what every handler asks for, build the buses, and open the engine last."""
    engine, codec = declared.engine, declared.codec
    events = EventStore(engine, codec, Committer(engine, around=declared.instruments.commit))
    tools = Tools(
        events=events,
        codec=codec,
        hot=HotStates(declared.settings.hot_aggregates),
        clock=declared.clock,
        snapshotters={},
        is_checked=_is_checked(declared.settings),
    )
    declared.services.add(EventStore, events)
    reading = declared.services.replacing(EventStore, events.only_reading())
    asking = {id(function) for function in declared.queries.values()}
    for function in declared.functions:
        function.bind(reading if id(function) in asking else declared.services, declared.aggregates)
    for consumer in declared.consumers:
        consumer.bind(declared.services)
    read_side = ReadSide(declared.projections, _read_side_tools(declared))
    consumers = Consumers(declared.consumers, _consumer_tools(declared), runs=declared.settings.role != "server")
    running = Running(
        engine=engine,
        settings=declared.settings,
        tools=tools,
        commands=_command_bus(declared, tools),
        queries=_query_bus(declared, tools, read_side),
        read_side=read_side,
        consumers=consumers,
    )
    try:
        await engine.open()
        await read_side.start()
        await consumers.start()
    except BaseException:
        await consumers.stop()
        await read_side.stop()
        await engine.close()
        raise
    return running


async def stop(running: Running) -> None:
    """Refuse new work, finish what was accepted, close the engine."""
    try:
        await running.consumers.stop()
        await running.tools.events.committer.close()
        await running.read_side.stop()
    finally:
        await running.engine.close()


def _is_checked(settings: Settings) -> bool:
    return sys.flags.dev_mode if settings.checks is None else settings.checks


def _command_bus(declared: Declared, tools: Tools) -> CommandBus:
    middlewares = command_pipeline(
        declared.settings, declared.middlewares, declared.authorize, declared.instruments.middlewares()
    )
    return CommandBus(declared.commands, middlewares, tools=tools, new_id=declared.new_id, rng=declared.rng)


def _read_side_tools(declared: Declared) -> ReadSideTools:
    settings = declared.settings
    return ReadSideTools(
        engine=declared.engine,
        codec=declared.codec,
        clock=declared.clock,
        rng=declared.rng,
        owner=declared.new_id(),
        lease_seconds=settings.lease_seconds,
        query_cache=settings.query_cache,
        runs=settings.role != "server",
        around=declared.instruments.consumer,
    )


def _consumer_tools(declared: Declared) -> GroupTools:
    return GroupTools(
        engine=declared.engine,
        codec=declared.codec,
        clock=declared.clock,
        rng=declared.rng,
        owner=declared.new_id(),
        lease_seconds=declared.settings.lease_seconds,
        around=declared.instruments.consumer,
    )


def _query_bus(declared: Declared, tools: Tools, read_side: ReadSide) -> QueryBus:
    handlers = {query: _function(function, tools, read_side) for query, function in declared.queries.items()}
    answer = _answer(read_side)
    handlers |= {query: answer for part in declared.projections for query in part.__everfold__.answers}
    middlewares = query_pipeline(
        declared.settings, declared.middlewares, declared.authorize, declared.instruments.middlewares()
    )
    return QueryBus(handlers, middlewares, new_id=declared.new_id)


def _answer(read_side: ReadSide) -> QueryHandler:
    """Has a projection answer."""

    async def answer(envelope: Envelope) -> Any:
        if envelope.as_of is None:
            found = await read_side.ask(envelope.message, envelope.wanted)
        else:
            found = await read_side.ask_as_of(envelope.message, envelope.as_of)
        envelope.source = found
        return found.value

    return answer


def _function(function: FunctionHandler, tools: Tools, read_side: ReadSide) -> QueryHandler:
    """Has a function answer, once all projections are fresh enough: it may ask any of them."""

    async def answer(envelope: Envelope) -> Any:
        if envelope.as_of is not None:
            raise InvalidMessage(envelope.name, "a function answers it, and only projections know the past (as_of=).")
        if envelope.wanted.position:
            await read_side.reached(envelope.wanted)
        unit = UnitOfWork(tools, is_read_only=True)
        try:
            return await function(unit, envelope.message)
        finally:
            unit.leave()

    return answer
