"""What can go wrong between an event and its record. Raised by the codec."""

from __future__ import annotations

from everfold.errors.root import EverfoldError

__all__ = ["CodecError", "InvalidEvent", "PayloadTooLarge", "UndecodableRecord", "UnknownEventType"]


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
