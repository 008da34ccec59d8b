"""Sets how conflicts are retried: bounded, with growing pauses drawn at random."""

from __future__ import annotations

from collections.abc import Awaitable
from typing import Any

from everfold.app.middleware import Envelope, Next
from everfold.store.transact import RetryPolicy

__all__ = ["RetryOnConflict"]


class RetryOnConflict:
    """Conflicts are retried by the transaction, which knows what to undo; this says how often.

    ``policies`` gives single messages a policy of their own, by permanent name.
    """

    def __init__(self, policy: RetryPolicy, policies: dict[str, RetryPolicy] | None = None) -> None:
        self._policy = policy
        self._policies = policies or {}

    def __call__(self, envelope: Envelope, next: Next) -> Awaitable[Any]:
        """Put the policy on the envelope and go on."""
        envelope.retries = self._policies.get(envelope.name, self._policy)
        return next(envelope)
