"""Every exception that everfold raises on purpose, in one place. Used by every room and caught by users.

Each error says what happened and what to do next, carries the facts as attributes, and has a
stable ``code`` that logs, HTTP problems and exit codes are derived from. ::

    EverfoldError
    ├── DefinitionError         a class, handler or upcaster is declared wrongly (at import or start)
    │   └── BrokenRule          running code broke a rule: a decision changed state, an evolve refused
    ├── ConfigurationError      a setting is wrong, missing or contradictory
    │   └── MissingExtra        an optional dependency is not installed
    ├── Rejected                the domain said no, for a reason the caller can act on
    ├── InvalidName             a key, category, stream name or tag breaks the naming rules
    ├── InvalidMessage          a command or query has a missing, unknown or wrong field
    ├── UnknownMessage          nothing handles this command or query
    ├── NotFound                the aggregate, record or row does not exist
    ├── NotAuthorized           the caller may not do this
    ├── Conflict                somebody else wrote first
    ├── IdempotencyKeyReused    the key was used before for a different command
    ├── TimedOut                the deadline passed; nothing was stored
    ├── OutcomeUnknown          it may or may not have been stored
    ├── CodecError
    │   ├── InvalidEvent        an event cannot be stored as it is
    │   │   └── PayloadTooLarge
    │   ├── UnknownEventType    a stored type that no registered event claims
    │   └── UndecodableRecord   a stored record that does not fit its registered event
    └── StoreError              the store cannot do it; nothing of this append was stored
        ├── StoreClosed, StoreBusy, StoreFull, StoreReadOnly, StoreUnavailable
        └── NotAStore, StoreCorrupt, StoreTooNew
"""

from __future__ import annotations

from typing import ClassVar

__all__ = [
    "BrokenRule",
    "CodecError",
    "ConfigurationError",
    "Conflict",
    "DefinitionError",
    "EverfoldError",
    "IdempotencyKeyReused",
    "InvalidEvent",
    "InvalidMessage",
    "InvalidName",
    "MissingExtra",
    "NotAStore",
    "NotAuthorized",
    "NotFound",
    "OutcomeUnknown",
    "PayloadTooLarge",
    "Rejected",
    "StoreBusy",
    "StoreClosed",
    "StoreCorrupt",
    "StoreError",
    "StoreFull",
    "StoreReadOnly",
    "StoreTooNew",
    "StoreUnavailable",
    "TimedOut",
    "UndecodableRecord",
    "UnknownEventType",
    "UnknownMessage",
]


class EverfoldError(Exception):
    """The root of all errors that everfold raises on purpose. Catch it to catch them all."""

    code: ClassVar[str] = "everfold-error"


class DefinitionError(EverfoldError):
    """A class, handler or upcaster is declared wrongly. Raised at import or start, never under load."""

    code = "definition-error"


class BrokenRule(DefinitionError):
    """Running code broke a rule of the model: a decision changed state, an evolve refused an event."""

    code = "broken-rule"


class ConfigurationError(EverfoldError):
    """A setting is wrong, missing or contradicts another. The message names it and where it came from."""

    code = "configuration-error"


class MissingExtra(ConfigurationError):
    """An optional dependency is needed and not installed. ``extra`` names what to install."""

    code = "missing-extra"

    def __init__(self, feature: str, extra: str) -> None:
        super().__init__(f"{feature} needs an optional dependency. Install it with: pip install 'everfold[{extra}]'")
        self.feature = feature
        self.extra = extra


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


class CodecError(EverfoldError):
    """An event cannot be turned into a record, or a record into an event."""

    code = "codec-error"


class InvalidEvent(CodecError):
    """An event cannot be stored as it is (wrong type, NaN, naive datetime, ...). Nothing was stored."""

    code = "invalid-event"

    def __init__(self, event_type: str, problem: str) -> None:
        super().__init__(f"The event {event_type!r} cannot be stored: {problem}")
        self.event_type = event_type
        self.problem = problem


class PayloadTooLarge(InvalidEvent):
    """An event is larger than the limit ``max_event_bytes``. Store a reference, or raise the limit."""

    code = "payload-too-large"

    def __init__(self, event_type: str, size: int, limit: int) -> None:
        super().__init__(
            event_type,
            f"it has {size:,} bytes and the limit is {limit:,}. Store a reference to large content, "
            "or raise the setting max_event_bytes.",
        )
        self.size = size
        self.limit = limit


class UnknownEventType(CodecError):
    """A stored record has a type that no registered event claims. It is never dropped silently."""

    code = "unknown-event-type"

    def __init__(self, event_type: str, version: int, *, position: int, stream: str) -> None:
        super().__init__(
            f"The record at position {position} (stream {stream!r}) has the type {event_type!r} version {version}, "
            "which no registered event claims. Register the event, or an upcaster from it, with the App."
        )
        self.event_type = event_type
        self.schema_version = version
        self.position = position
        self.stream = stream


class UndecodableRecord(CodecError):
    """A stored record does not fit its registered event: the shape changed without a new version."""

    code = "undecodable-record"

    def __init__(self, event_type: str, version: int, problem: str, *, position: int, stream: str) -> None:
        super().__init__(
            f"The record at position {position} (stream {stream!r}, type {event_type!r} version {version}) does not "
            f"fit its event: {problem} If the event's fields changed, give it a new version and an upcaster."
        )
        self.event_type = event_type
        self.schema_version = version
        self.position = position
        self.stream = stream


class StoreError(EverfoldError):
    """The store cannot do it. Nothing of the append in question was stored."""

    code = "store-error"


class StoreClosed(StoreError):
    """The store is not open: use it inside ``async with app`` (or ``app.blocking()``)."""

    code = "store-closed"


class StoreBusy(StoreError):
    """Another process kept the write lock for longer than ``lock_timeout`` seconds. Retry later."""

    code = "store-busy"


class StoreFull(StoreError):
    """The disk, or the size limit of the file, is full. Free space; the store goes on without a restart."""

    code = "store-full"


class StoreReadOnly(StoreError):
    """The file or its folder cannot be written. Mend the permissions or open another store."""

    code = "store-read-only"


class StoreUnavailable(StoreError):
    """The store cannot be reached or opened: no such folder, connection refused, input/output error."""

    code = "store-unavailable"


class NotAStore(StoreError):
    """The file exists and is not an everfold store. It was left untouched; give another path."""

    code = "not-a-store"


class StoreCorrupt(StoreError):
    """Stored bytes are damaged. ``position`` is the first damaged record, where it is known."""

    code = "store-corrupt"

    def __init__(self, message: str, *, position: int | None = None) -> None:
        super().__init__(message)
        self.position = position


class StoreTooNew(StoreError):
    """The store was written by a newer everfold. Nothing was touched; upgrade this program."""

    code = "store-too-new"

    def __init__(self, found: int, known: int) -> None:
        super().__init__(
            f"The store has schema version {found} and this everfold knows up to {known}. "
            "Nothing was touched. Upgrade everfold to open it."
        )
        self.found = found
        self.known = known
