"""What came of a command or query, in a word of a fixed few. The same for metrics and spans."""

from __future__ import annotations

import asyncio

from everfold.app.done import Done
from everfold.errors import (
    Conflict,
    IdempotencyKeyReused,
    InvalidMessage,
    InvalidName,
    NotAuthenticated,
    NotAuthorized,
    NotFound,
    OutcomeUnknown,
    ReadModelBehind,
    Rejected,
    TimedOut,
)

__all__ = ["ANSWERED", "FAILURES", "OUTCOMES", "outcome_of_error", "outcome_of_result"]

ACCEPTED, DUPLICATE, ANSWERED = "accepted", "duplicate", "answered"
ERROR, UNKNOWN, TIMED_OUT, CANCELLED = "error", "unknown", "timed-out", "cancelled"
FAILURES = frozenset({ERROR, UNKNOWN, TIMED_OUT})
"""Those that are the service's fault, not the sender's."""
_OF_ERRORS: tuple[tuple[type[BaseException] | tuple[type[BaseException], ...], str], ...] = (
    (Rejected, "rejected"),
    (Conflict, "conflict"),
    (NotFound, "not-found"),
    ((InvalidMessage, InvalidName, NotAuthorized, NotAuthenticated, IdempotencyKeyReused), "refused"),
    (OutcomeUnknown, UNKNOWN),
    ((TimedOut, ReadModelBehind), TIMED_OUT),
    (asyncio.CancelledError, CANCELLED),
)
OUTCOMES = (ACCEPTED, DUPLICATE, ANSWERED, *(outcome for _, outcome in _OF_ERRORS), ERROR)


def outcome_of_result(result: object) -> str:
    """Of a command that was accepted: whether it was new, or had been before."""
    return DUPLICATE if isinstance(result, Done) and result.repeated else ACCEPTED


def outcome_of_error(error: BaseException) -> str:
    """Of one that raised this."""
    return next((outcome for kind, outcome in _OF_ERRORS if isinstance(error, kind)), ERROR)
