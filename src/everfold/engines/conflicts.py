"""How a refusal is worded, whichever engine judged. Used by every engine."""

from __future__ import annotations

from everfold.log.write import Conflicted, StreamAppend

__all__ = ["outdated", "stale"]


def stale(part: StreamAppend, version: int) -> Conflicted:
    """The stream has another version than was expected."""
    return Conflicted(
        f"The stream {part.stream!r} has version {version} and not the expected {part.expected}.",
        stream=part.stream,
        expected=part.expected,
        actual=version,
    )


def outdated(position: int, stream: str) -> Conflicted:
    """A record that a condition is about is newer than the decision knew."""
    return Conflicted(f"The record at position {position} is newer than what was decided on.", stream=stream)
