"""The pipeline around every handler: one typed chain for all buses, composed once when the app starts.

A middleware is any object called as ``await middleware(envelope, next)``: it may look at the envelope, refuse
by raising, do something before or after, and calls ``next(envelope)`` to go on.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Protocol

import msgspec

from everfold.log.record import Metadata
from everfold.projections.answers import Answer
from everfold.projections.wanted import ANY, Wanted
from everfold.store.transact import DEFAULT_RETRIES, Idempotency, RetryPolicy

__all__ = ["Envelope", "Middleware", "Next", "compose"]


class Envelope(msgspec.Struct, kw_only=True, gc=False):
    """A message on its way to its handler, with everything that is known about it."""

    message: Any
    kind: str
    """``command`` or ``query``."""
    name: str
    """The message's permanent name."""
    id: str
    """The id of this dispatch."""
    metadata: Metadata
    """What its records will carry; the ambient metadata is the same while it is handled."""
    idempotency_key: str | None = None
    expected: int | None = None
    """The version that the stream must have which a command is about."""
    timeout: float | None = None
    """Seconds; None: no limit."""
    wanted: Wanted = ANY
    """How fresh the answer to a query has to be."""
    as_of: int | None = None
    """The position at which a query is to be answered; None: now."""
    source: Answer | None = None
    """Set once a projection has answered the query: from what."""
    retries: RetryPolicy = DEFAULT_RETRIES
    idempotency: Idempotency | None = None
    """Made by the idempotency middleware from the key."""
    has_stored: bool = False
    """Set once the command's append is durable."""


Next = Callable[[Envelope], Awaitable[Any]]


class Middleware(Protocol):
    """One link of the pipeline: usually ``async def``; a plain function that returns ``next(envelope)`` is faster."""

    def __call__(self, envelope: Envelope, next: Next) -> Awaitable[Any]:
        """Handle the envelope, usually by ``return await next(envelope)``."""
        ...


def compose(middlewares: Sequence[Middleware], handler: Next) -> Next:
    """The handler wrapped in the middlewares; the first one is outermost."""
    for middleware in reversed(middlewares):
        handler = _link(middleware, handler)
    return handler


def _link(middleware: Middleware, handler: Next) -> Next:
    return lambda envelope: middleware(envelope, handler)
