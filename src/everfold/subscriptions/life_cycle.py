"""The life of a subscription as a table: state and signal give the next state. Driven by ``subscription``.

Nothing here waits or reads: whoever runs a subscription sends the signals, and asks for the state.
"""

from __future__ import annotations

import enum

from everfold.errors import EverfoldError

__all__ = ["TRANSITIONS", "LifeCycle", "Signal", "State"]


class State(enum.Enum):
    """What a subscription is doing."""

    NEW = "new"
    """It was not started yet."""
    STANDING_BY = "standing by"
    """Another process holds its lease."""
    CATCHING_UP = "catching up"
    """It works through records that were there before."""
    LIVE = "live"
    """It has dealt with everything there is, and waits for more."""
    RETRYING = "retrying"
    """Something failed, and it waits before it tries again."""
    PARKED = "parked"
    """It has given up on an event and set it aside; it goes on at once with other streams."""
    PAUSED = "paused"
    """Somebody paused it, or it did so itself because it failed on everything."""
    STOPPED = "stopped"
    """It has ended."""


class Signal(enum.Enum):
    """What can happen to a subscription."""

    START = "start"
    GRANTED = "lease granted"
    LOST = "lease lost"
    CAUGHT_UP = "caught up"
    FELL_BEHIND = "fell behind"
    FAILED = "failed"
    WORKED = "worked"
    GAVE_UP = "gave up on an event"
    PAUSE = "pause"
    RESUME = "resume"
    STOP = "stop"


_WORKING = (State.CATCHING_UP, State.LIVE, State.RETRYING, State.PARKED)
TRANSITIONS: dict[tuple[State, Signal], State] = {
    (State.NEW, Signal.START): State.STANDING_BY,
    (State.STANDING_BY, Signal.GRANTED): State.CATCHING_UP,
    (State.STANDING_BY, Signal.FAILED): State.STANDING_BY,
    (State.CATCHING_UP, Signal.CAUGHT_UP): State.LIVE,
    (State.CATCHING_UP, Signal.FELL_BEHIND): State.CATCHING_UP,
    (State.LIVE, Signal.CAUGHT_UP): State.LIVE,
    (State.LIVE, Signal.FELL_BEHIND): State.CATCHING_UP,
    (State.RETRYING, Signal.WORKED): State.CATCHING_UP,
    (State.RETRYING, Signal.GAVE_UP): State.PARKED,
    (State.PARKED, Signal.WORKED): State.CATCHING_UP,
    (State.PARKED, Signal.CAUGHT_UP): State.LIVE,
    (State.PARKED, Signal.FELL_BEHIND): State.CATCHING_UP,
    (State.PAUSED, Signal.RESUME): State.CATCHING_UP,
    (State.PAUSED, Signal.PAUSE): State.PAUSED,
    (State.PAUSED, Signal.LOST): State.STANDING_BY,
    (State.PAUSED, Signal.FAILED): State.RETRYING,
    **{(state, Signal.FAILED): State.RETRYING for state in _WORKING},
    **{(state, Signal.PAUSE): State.PAUSED for state in _WORKING},
    **{(state, Signal.LOST): State.STANDING_BY for state in _WORKING},
    **{(state, Signal.STOP): State.STOPPED for state in State},
}
"""Everything that may happen. What is not in it is a mistake of whoever sends the signal."""


class LifeCycle:
    """The state of one subscription."""

    def __init__(self) -> None:
        self.state = State.NEW

    def send(self, signal: Signal) -> State:
        """Go on by the table; an error when the table has no such line."""
        following = TRANSITIONS.get((self.state, signal))
        if following is None:
            raise EverfoldError(f"A subscription that is {self.state.value} cannot take the signal {signal.value!r}.")
        self.state = following
        return following
