"""The query bus: one handler per query, found by type, inside the same kind of pipeline. Queries change nothing."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, TypeVar

from everfold.app.done import Answered
from everfold.app.middleware import Envelope, Middleware, Next, compose
from everfold.codec.metadata import current_metadata
from everfold.domain.message import message_definition
from everfold.domain.query import Query
from everfold.errors import UnknownMessage
from everfold.identifiers import Position
from everfold.projections.wanted import ANY, Wanted

__all__ = ["QueryBus", "QueryHandler"]

R = TypeVar("R")
QueryHandler = Callable[[Envelope], Awaitable[Any]]


class QueryBus:
    """Takes queries to their handlers."""

    def __init__(
        self,
        handlers: Mapping[type, QueryHandler],
        middlewares: Sequence[Middleware],
        *,
        new_id: Callable[[], str],
    ) -> None:
        self._handlers = handlers
        self._new_id = new_id
        self._run: Next = compose(middlewares, self._answer)

    async def ask(
        self,
        query: Query[R],
        *,
        wanted: Wanted = ANY,
        as_of: int | None = None,
        timeout: float | None = None,
    ) -> Answered[R]:
        """Answer the query; see ``App.answer``."""
        definition = message_definition(type(query))
        if definition is None or type(query) not in self._handlers:
            raise self._unknown(query)
        metadata = current_metadata()
        envelope = Envelope(
            message=query,
            kind="query",
            name=definition.name,
            id=metadata.correlation_id or self._new_id(),  # nothing will point at it: what it belongs to is enough
            metadata=metadata,
            timeout=timeout,
            wanted=wanted,
            as_of=as_of,
        )
        value: R = await self._run(envelope)
        source = envelope.source
        if source is None:
            return Answered(value=value)
        return Answered(value=value, position=Position(source.position), version=source.version)

    async def _answer(self, envelope: Envelope) -> Any:
        return await self._handlers[type(envelope.message)](envelope)

    def _unknown(self, query: object) -> UnknownMessage:
        definition = message_definition(type(query))
        known = sorted(named.name for kind in self._handlers if (named := message_definition(kind)))
        return UnknownMessage("query", definition.name if definition else type(query).__qualname__, tuple(known))
