"""What ``after=`` and ``as_of=`` mean: how fresh an answer has to be, and of which moment it is. Used by the app."""

from __future__ import annotations

from datetime import datetime

from everfold.app.done import After, Done, Place
from everfold.identifiers import Position
from everfold.projections.wanted import ANY, Wanted
from everfold.store.event_store import EventStore

__all__ = ["position_of", "wanted_of"]


def wanted_of(after: After, seconds: float) -> Wanted:
    """How fresh an answer has to be. ``seconds``: how long to wait for that. TypeError for what is no place."""
    if after is None:
        return ANY
    if isinstance(after, Done):
        return Wanted(after.position, after.stream, seconds)
    if type(after) is not int and not isinstance(after, Position):
        raise TypeError(f"after={after!r} is no place in the log. Give what execute returned, or a Position.")
    return Wanted(after, None, seconds)


async def position_of(place: Place, store: EventStore) -> int | None:
    """The position of a moment in the history; None: now. TypeError for what is neither position nor time."""
    if isinstance(place, datetime):
        return await store.position_at(place)
    _check(place)
    return place


def _check(place: object) -> None:
    if place is not None and not isinstance(place, Position):
        raise TypeError(f"as_of={place!r} is no place in the log. Give a Position or an aware datetime.")
