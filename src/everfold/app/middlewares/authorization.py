"""The authorization hook: a policy decides for every message whether its actor may send it."""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Callable
from typing import Any

from everfold.app.middleware import Envelope, Next
from everfold.errors import NotAuthorized

__all__ = ["Authorization"]

Policy = Callable[[Envelope], bool | Awaitable[bool]]


class Authorization:
    """Give it a policy: ``App(..., authorize=lambda envelope: envelope.metadata.actor is not None)``.

    The policy sees the envelope: the message, its kind and name, and in ``metadata`` actor and tenant. It answers
    whether the message may go on, or raises NotAuthorized with a reason.
    """

    def __init__(self, policy: Policy) -> None:
        self._policy = policy

    async def __call__(self, envelope: Envelope, next: Next) -> Any:
        """Ask the policy, then go on or refuse."""
        verdict = self._policy(envelope)
        if inspect.isawaitable(verdict):
            verdict = await verdict
        if not verdict:
            actor = envelope.metadata.actor or "nobody in particular"
            raise NotAuthorized(f"{actor} may not send the {envelope.kind} {envelope.name!r}.")
        return await next(envelope)
