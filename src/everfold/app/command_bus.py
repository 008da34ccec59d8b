"""The command bus: one handler per command, found by type, inside the pipeline; each command one transaction."""

from __future__ import annotations

import random
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, TypeVar

from everfold.app.context import metadata_for
from everfold.app.done import Done
from everfold.app.middleware import Envelope, Middleware, Next, compose
from everfold.codec.metadata import current_metadata, reset_metadata, set_metadata
from everfold.domain.command import Command
from everfold.domain.message import message_definition
from everfold.errors import UnknownMessage
from everfold.identifiers import Position, Version
from everfold.store.boundary import Tools
from everfold.store.transact import Transacted, transact
from everfold.store.unit_of_work import UnitOfWork

__all__ = ["CommandBus", "CommandHandler"]

R = TypeVar("R")
CommandHandler = Callable[[UnitOfWork, Any], Awaitable[Any]]


class CommandBus:
    """Takes commands to their handlers."""

    def __init__(
        self,
        handlers: Mapping[type, CommandHandler],
        middlewares: Sequence[Middleware],
        *,
        tools: Tools,
        new_id: Callable[[], str],
        rng: random.Random,
    ) -> None:
        self._handlers = handlers
        self._tools = tools
        self._new_id = new_id
        self._rng = rng
        self._run: Next = compose(middlewares, self._transact)

    async def execute(
        self,
        command: Command[R],
        *,
        idempotency_key: str | None = None,
        expected: int | None = None,
        timeout: float | None = None,
    ) -> Done[R]:
        """Decide the command and append what it records; see ``App.execute``."""
        definition = message_definition(type(command))
        if definition is None or type(command) not in self._handlers:
            raise self._unknown(command)
        id = self._new_id()
        metadata = metadata_for(current_metadata(), command=definition.name, id=id)
        envelope = Envelope(
            message=command,
            kind="command",
            name=definition.name,
            id=id,
            metadata=metadata,
            idempotency_key=idempotency_key,
            expected=expected,
            timeout=timeout,
        )
        token = set_metadata(metadata)
        try:
            done: Done[R] = await self._run(envelope)
        finally:
            reset_metadata(token)
        return done

    async def _transact(self, envelope: Envelope) -> Done[Any]:
        """The innermost link: the unit of work."""
        command = envelope.message
        handler = self._handlers[type(command)]
        transacted = await transact(
            lambda unit: handler(unit, command),
            tools=self._tools,
            retries=envelope.retries,
            rng=self._rng,
            idempotency=envelope.idempotency,
            expected=envelope.expected,
        )
        envelope.has_stored = bool(transacted.recorded.events)
        refusal = transacted.recorded.refusal
        if refusal is not None:
            # The traceback will hold this frame. The garbage collector does not look into what it could hold then.
            del transacted
            raise refusal
        return _done(transacted)

    def _unknown(self, command: object) -> UnknownMessage:
        definition = message_definition(type(command))
        known = sorted(named.name for kind in self._handlers if (named := message_definition(kind)))
        return UnknownMessage("command", definition.name if definition else type(command).__qualname__, tuple(known))


def _done(transacted: Transacted[Any]) -> Done[Any]:
    recorded = transacted.recorded
    return Done(
        reply=transacted.reply,
        position=Position(recorded.position),
        version=Version(recorded.version),
        stream=recorded.stream,
        events=recorded.events,
        repeated=transacted.is_repeated,
    )
