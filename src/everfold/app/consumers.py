"""Functions that are told of events: ``@app.consumes``. Declared on the app, run with it by role."""

from __future__ import annotations

import asyncio
import inspect
import typing
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from everfold.app.services import Services
from everfold.codec.metadata import reset_metadata, set_metadata
from everfold.domain.event import event_definition
from everfold.domain.handlers import is_union, resolve_annotation
from everfold.errors import DefinitionError, NotFound
from everfold.log.record import Metadata, Record
from everfold.subscriptions.bookkeeping import prepare
from everfold.subscriptions.consumer_group import ConsumerGroup, ConsumerStatus, GroupTools
from everfold.subscriptions.partition import MAX_PARTS

__all__ = ["ConsumerFunction", "Consumers"]


class ConsumerFunction:
    """A function that is told of events, with its other parameters filled by type."""

    def __init__(
        self, name: str, function: Callable[..., Any], *, parts: int, starts_new: bool, names: Mapping[str, object]
    ) -> None:
        """``names``: those visible where the function was written."""
        self.name = name
        self.function = function
        self.parts = parts
        self.starts_new = starts_new
        self.where = where = f"{function.__module__}.{function.__qualname__}"
        if not 1 <= parts < MAX_PARTS:
            raise DefinitionError(f"{where}: partitions={parts} is not a number from 1 to {MAX_PARTS - 1}.")
        parameters = list(inspect.signature(function).parameters)
        if not parameters:
            raise DefinitionError(f"{where} takes no event. Give it a first parameter with the type of the event.")
        annotation = resolve_annotation(function, parameters[0], names)
        self.events: tuple[type, ...] = typing.get_args(annotation) if is_union(annotation) else (annotation,)
        for event in self.events:
            if event_definition(event) is None:
                raise DefinitionError(f"{where}: {event!r} is not an event. Annotate the first parameter with events.")
        others = {parameter: resolve_annotation(function, parameter, names) for parameter in parameters[1:]}
        self._records = [parameter for parameter, kind in others.items() if kind is Record]
        self._services = {parameter: kind for parameter, kind in others.items() if kind is not Record}
        self._arguments: dict[str, object] = {}

    def bind(self, services: Services) -> None:
        """Find the services that it asks for; called when the app starts."""
        self._arguments = {name: services.find(kind, self.where) for name, kind in self._services.items()}

    async def __call__(self, event: object, record: Record) -> None:
        """Tell it of an event. What it does meanwhile is recorded as caused by the event's record."""
        cause = record.metadata
        token = set_metadata(
            Metadata(
                correlation_id=cause.correlation_id or record.id,
                causation_id=record.id,
                actor=cause.actor,
                tenant=cause.tenant,
                traceparent=cause.traceparent,
                user=cause.user,
            )
        )
        try:
            result = self.function(event, **dict.fromkeys(self._records, record), **self._arguments)
            if inspect.isawaitable(result):
                await result
        finally:
            reset_metadata(token)


class Consumers:
    """The consumers of a running application."""

    def __init__(self, functions: Sequence[ConsumerFunction], tools: GroupTools, *, runs: bool) -> None:
        self._tools = tools
        self._runs = runs
        self._groups = {
            function.name: ConsumerGroup(
                function.name,
                function,
                events=function.events,
                parts=function.parts,
                starts_new=function.starts_new,
                tools=tools,
            )
            for function in functions
        }
        self._tasks: list[asyncio.Task[None]] = []

    async def start(self) -> None:
        """Run them, if this process is to. The engine is open."""
        if not self._groups:
            return
        database = self._tools.engine.beside
        await database.write(lambda connection: prepare(connection, database.dialect))
        if self._runs:
            self._tasks = [
                asyncio.create_task(group.run(), name=f"everfold-consumer-{name}")
                for name, group in self._groups.items()
            ]

    async def stop(self) -> None:
        """End them; an event that is being handled is cancelled, and comes again."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._tasks.clear()

    def names(self) -> list[str]:
        """The consumers."""
        return sorted(self._groups)

    def __getitem__(self, name: str) -> ConsumerGroup:
        """One consumer, to pause it, resume it, and deal with the events that it set aside."""
        group = self._groups.get(name)
        if group is None:
            raise NotFound("consumer", name, f"There are: {', '.join(self.names()) or 'none'}.")
        return group

    async def statuses(self) -> list[ConsumerStatus]:
        """How all of them are."""
        return [await self._groups[name].status() for name in self.names()]
