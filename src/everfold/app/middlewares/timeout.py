"""Ends messages that take too long, and tells the truth about what became of them."""

from __future__ import annotations

from collections.abc import Awaitable
from typing import Any

from everfold.app.middleware import Envelope, Next
from everfold.deadlines import deadline
from everfold.errors import OutcomeUnknown, TimedOut
from everfold.store.committer import was_committing

__all__ = ["Timeout"]


class Timeout:
    """A message that has a timeout (its own, or ``default`` seconds) is cancelled when it passes.

    TimedOut: nothing was stored. OutcomeUnknown: its append had been handed to the store already, or was stored.
    """

    def __init__(self, default: float | None = None) -> None:
        self._default = default

    def __call__(self, envelope: Envelope, next: Next) -> Awaitable[Any]:
        """Go on, for so long."""
        seconds = envelope.timeout if envelope.timeout is not None else self._default
        if seconds is None:
            return next(envelope)
        return _limited(envelope, next, seconds)


async def _limited(envelope: Envelope, next: Next, seconds: float) -> Any:
    limit = deadline(seconds)
    try:
        with limit:
            return await next(envelope)
    except TimeoutError as error:
        if not limit.expired():
            raise  # the handler's own
        took = f"The {envelope.kind} {envelope.name!r} took longer than {seconds:g} seconds"
        if envelope.has_stored:
            raise OutcomeUnknown(
                f"{took}. Its events are stored, and its reply is lost: retry with the same idempotency key, or look."
            ) from error
        if was_committing(error):
            raise OutcomeUnknown(
                f"{took}, and its append was under way. It may or may not be stored: retry with the same "
                "idempotency key, or look."
            ) from error
        raise TimedOut(f"{took}. Nothing was stored.") from error
