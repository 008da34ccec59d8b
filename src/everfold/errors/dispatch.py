"""What can become of a command or a query. Raised to whoever sent it."""

from __future__ import annotations

from everfold.errors.root import EverfoldError

__all__ = [
    "Conflict",
    "IdempotencyKeyReused",
    "InvalidMessage",
    "InvalidName",
    "NotAuthorized",
    "NotFound",
    "OutcomeUnknown",
    "Rejected",
    "TimedOut",
    "UnknownMessage",
]


class Rejected(EverfoldError):
    """The domain refuses a command: ``raise Rejected("insufficient-funds", "The balance is 3.", balance=3)``.

    ``reason`` is a stable word for machines, ``message`` a sentence for people, ``facts`` what
    the caller may want to show or act on (JSON values). Nothing of the decision is stored, except the
    events given to :meth:`recording`.
    """

    code = "rejected"

    def __init__(self, reason: str, message: str = "", **facts: object) -> None:
        super().__init__(message or reason)
        self.reason = reason
        self.message = message or reason
        self.facts = facts
        self.recorded: tuple[object, ...] = ()

    def recording(self, *events: object) -> Rejected:
        """Refuse, and store these events because the refusal is itself a fact.

        ``raise Rejected("limit", "...").recording(WithdrawalRefused(...))``: the events are stored
        atomically before the caller sees the refusal. Only for decisions that yielded nothing yet.
        """
        self.recorded = events
        return self

    def __reduce__(self) -> tuple[object, ...]:
        """Keep reason and facts when the error crosses a process boundary."""
        return (_rejected_again, (self.reason, self.message, self.facts))


def _rejected_again(reason: str, message: str, facts: dict[str, object]) -> Rejected:
    return Rejected(reason, message, **facts)


class InvalidName(EverfoldError, ValueError):
    """A key, category, stream name or tag breaks the naming rules; the message tells which rule."""

    code = "invalid-name"


class InvalidMessage(EverfoldError):
    """A command or query has a missing, unknown or wrong field. Nothing was done; mend the message."""

    code = "invalid-message"

    def __init__(self, message_name: str, problem: str) -> None:
        super().__init__(f"{message_name} is not valid: {problem}")
        self.message_name = message_name
        self.problem = problem


class UnknownMessage(EverfoldError):
    """Nothing handles this command or query. ``name`` is what was asked, ``known`` what there is."""

    code = "unknown-message"

    def __init__(self, kind: str, name: str, known: tuple[str, ...] = ()) -> None:
        names = ", ".join(known) or "none"
        super().__init__(f"No handler for the {kind} {name!r}. Give its handler to App(...). Known: {names}.")
        self.kind = kind
        self.name = name
        self.known = known


class NotFound(EverfoldError):
    """The aggregate, record or row asked for does not exist (or did not at that time)."""

    code = "not-found"

    def __init__(self, what: str, key: str, hint: str = "") -> None:
        super().__init__(f"There is no {what} {key!r}." + (f" {hint}" if hint else ""))
        self.what = what
        self.key = key


class NotAuthorized(EverfoldError):
    """The caller may not do this. The message tells which rule said so, never what it protects."""

    code = "not-authorized"


class Conflict(EverfoldError):
    """Somebody else wrote first: the expected version or condition no longer holds. Nothing was stored.

    Raised only after the bounded retries are used up. Load again and decide again, or give up.
    """

    code = "conflict"

    def __init__(
        self,
        message: str,
        *,
        stream: str | None = None,
        expected: int | None = None,
        actual: int | None = None,
    ) -> None:
        super().__init__(f"{message} Nothing was stored; load again and decide again.")
        self.stream = stream
        self.expected = expected
        self.actual = actual


class IdempotencyKeyReused(EverfoldError):
    """The idempotency key was used before for a different command. Use a new key for a new command."""

    code = "idempotency-key-reused"

    def __init__(self, key: str) -> None:
        super().__init__(f"The idempotency key {key!r} was used before for a different command. Use a new key.")
        self.key = key


class TimedOut(EverfoldError):
    """The deadline passed before anything was handed to the store. Nothing was stored; it is safe to retry."""

    code = "timed-out"


class OutcomeUnknown(EverfoldError):
    """The append may or may not have been stored: contact was lost while it was being committed.

    Retry with the same idempotency key: the retry has one effect and gives the same reply.
    """

    code = "outcome-unknown"
