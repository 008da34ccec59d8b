"""The default pipeline of each bus, outermost first. One place to see what happens around a handler."""

from __future__ import annotations

from collections.abc import Sequence

from everfold.app.middleware import Middleware
from everfold.app.middlewares.authorization import Authorization, Policy
from everfold.app.middlewares.idempotency import IdempotencyKeys
from everfold.app.middlewares.logging import Logging
from everfold.app.middlewares.retry import RetryOnConflict
from everfold.app.middlewares.timeout import Timeout
from everfold.app.middlewares.validation import Validation
from everfold.app.settings import Settings
from everfold.store.transact import RetryPolicy

__all__ = ["command_pipeline", "query_pipeline"]


def command_pipeline(
    settings: Settings, own: Sequence[Middleware], authorize: Policy | None, around: Sequence[Middleware] = ()
) -> list[Middleware]:
    """What watches from outside, logging, timeout, validation, authorization, the user's own, idempotency, retry."""
    return [
        *query_pipeline(settings, own, authorize, around),
        IdempotencyKeys(),
        RetryOnConflict(RetryPolicy(attempts=settings.retry_attempts)),
    ]


def query_pipeline(
    settings: Settings, own: Sequence[Middleware], authorize: Policy | None, around: Sequence[Middleware] = ()
) -> list[Middleware]:
    """What watches from outside, logging, timeout, validation, authorization, the user's own; then the answer."""
    guard: list[Middleware] = [Authorization(authorize)] if authorize else []
    return [*around, Logging(), Timeout(settings.command_timeout), Validation(), *guard, *own]
