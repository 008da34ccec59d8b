"""Watches a decision for what it must not do: change the state by itself, or an event it has yielded.

Used by checked runs, in development and tests; states and events are compared as JSON.
"""

from __future__ import annotations

import types
from collections.abc import Callable, Generator
from typing import Any

import msgspec

from everfold.errors import BrokenRule, Rejected

__all__ = ["watched"]

_STEPS: Any = types.GeneratorType
_encode = msgspec.json.Encoder(enc_hook=repr).encode


def watched(decision: Callable[[Any, Any], Any]) -> Callable[[Any, Any], Any]:
    """The decision, raising BrokenRule when the state or a yielded event is not what it was one step before."""

    def watching(state: object, command: object) -> Any:
        before = _picture(state)
        try:
            outcome: Any = decision(state, command)
        except Rejected:
            _compare(state, before)
            raise
        _compare(state, before)
        return _watch(outcome, state) if isinstance(outcome, _STEPS) else outcome

    return watching


def _watch(steps: Generator[object, None, Any], state: object) -> Generator[object, None, Any]:
    before = _picture(state)
    yielded: list[tuple[object, bytes]] = []
    while True:
        try:
            event = next(steps)
        except StopIteration as end:
            _compare(state, before)
            _compare_events(yielded)
            return end.value
        except Rejected:
            _compare(state, before)
            raise
        _compare(state, before)
        yielded.append((event, _picture(event)))
        yield event
        before = _picture(state)


def _compare(state: object, before: bytes) -> None:
    after = _picture(state)
    if after != before:
        raise BrokenRule(
            f"A decision of {type(state).__qualname__} changed the state itself: {_shown(before)} became "
            f"{_shown(after)}. Yield an event, and change the state in its @evolve."
        )


def _compare_events(yielded: list[tuple[object, bytes]]) -> None:
    for event, before in yielded:
        after = _picture(event)
        if after != before:
            raise BrokenRule(
                f"The event {type(event).__qualname__} was changed after it was yielded: {_shown(before)} became "
                f"{_shown(after)}. It shares a list, dict or set with the state or the command: give it, or keep in "
                "@evolve, a copy of its own."
            )


def _picture(value: object) -> bytes:
    try:
        return _encode(value)
    except Exception:
        return repr(value).encode("utf-8", "surrogatepass")


def _shown(picture: bytes) -> str:
    text = picture.decode("utf-8", "replace")
    return text if len(text) <= 300 else f"{text[:300]}..."
