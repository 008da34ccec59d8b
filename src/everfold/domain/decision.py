"""Runs decisions and evolutions: the pure heart of a command, without I/O. Used by the store and by scenarios."""

from __future__ import annotations

import types
from collections.abc import Callable, Generator, Mapping
from typing import Any

import msgspec

from everfold.domain.event import event_definition
from everfold.domain.watch import watched
from everfold.errors import BrokenRule, Rejected

__all__ = ["Decided", "Evolutions", "apply", "broken_evolve", "run_decision"]

Evolutions = Mapping[type, Callable[[Any, Any], None]]
Keep = Callable[[object], object]
_STEPS: Any = types.GeneratorType
_LISTS: Any = (list, tuple)


class Decided(msgspec.Struct):
    """What a decision came to: events in order (none: it was skipped), the reply, perhaps a recorded refusal.

    The garbage collector sees it, because a refusal refers to the frames that it passed, and they to this.
    """

    events: list[object] = []
    reply: object = None
    refusal: Rejected | None = None


def run_decision(
    decision: Callable[[Any, Any], Any],
    state: object,
    command: object,
    evolutions: Evolutions,
    *,
    decided: Decided,
    checked: bool,
    keep: Keep | None = None,
) -> Decided:
    """Decide into ``decided`` and evolve ``state`` in place. Raises what the decision raises.

    ``keep`` encodes each event as it is recorded and gives it back as it will be read: the state evolves by
    that, as it will on replay, and shares nothing with the command or the decision. After an exception,
    ``decided.events`` are those that the state was evolved by already.
    ``checked`` looks after every step whether the decision changed the state by itself, or an event it has
    yielded, which costs encodings of both: for development and tests.
    """
    if checked:
        decision = watched(decision)
    try:
        reply: Any = decision(state, command)
        if isinstance(reply, _STEPS):
            reply = _drive(reply, state, evolutions, decided.events, keep)
    except Rejected as refusal:
        if not refusal.recorded:
            raise
        _record_refusal(refusal, state, evolutions, decided, keep)
    else:
        if reply is not None:
            _check_reply(reply, state)
            decided.reply = reply
    return decided


def _drive(
    steps: Generator[object, None, Any],
    state: object,
    evolutions: Evolutions,
    events: list[object],
    keep: Keep | None,
) -> Any:
    advance = steps.__next__
    while True:
        try:
            event = advance()
        except StopIteration as end:
            return end.value
        events.append(event)
        evolution = evolutions.get(type(event))
        if evolution is None:
            raise broken_evolve(state, event, evolutions, KeyError(type(event)))
        read = event if keep is None else keep(event)
        try:
            evolution(state, read)
        except Exception as error:
            raise broken_evolve(state, event, evolutions, error) from error


def _record_refusal(
    refusal: Rejected, state: object, evolutions: Evolutions, decided: Decided, keep: Keep | None
) -> None:
    if decided.events:
        raise BrokenRule(
            f"A decision of {type(state).__qualname__} yielded events and then refused with recording(...). "
            "Refuse before anything is yielded."
        ) from refusal
    for event in refusal.recorded:
        decided.events.append(event)
        apply(state, event if keep is None else keep(event), evolutions)
    decided.refusal = refusal


def _check_reply(reply: Any, state: object) -> None:
    first: object = next(iter(reply), None) if isinstance(reply, _LISTS) else reply
    if event_definition(type(first)) is not None:
        raise BrokenRule(
            f"A decision of {type(state).__qualname__} returned {type(first).__qualname__}. Yield events: what is "
            "returned is the reply to the caller, and is not recorded."
        )


def apply(state: object, event: object, evolutions: Evolutions) -> None:
    """Evolve the state by one event. BrokenRule when there is no evolve for it, or when evolve fails."""
    try:
        evolutions[type(event)](state, event)
    except Exception as error:
        raise broken_evolve(state, event, evolutions, error) from error


def broken_evolve(state: object, event: object, evolutions: Evolutions, error: Exception) -> BrokenRule:
    """What to raise when a state did not accept an event."""
    kind, event_kind = type(state).__qualname__, type(event).__qualname__
    if type(event) in evolutions:
        return BrokenRule(
            f"The @evolve of {kind} for {event_kind} failed ({type(error).__name__}: {error}). Evolve never refuses: "
            "move rules into the decision; what is recorded has happened."
        )
    if event_definition(type(event)) is None:
        return BrokenRule(f"A decision of {kind} yielded {event!r:.60}, which is no event. Yield events one by one.")
    return BrokenRule(f"{kind} has no @evolve for {event_kind}. Add one (it may be empty).")
