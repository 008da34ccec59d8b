"""The life of a subscription: the whole table, walked through."""

import pytest

from everfold.errors import EverfoldError
from everfold.subscriptions.life_cycle import TRANSITIONS, LifeCycle, Signal, State

WORKING = (State.CATCHING_UP, State.LIVE, State.RETRYING, State.PARKED)


def reachable() -> set[State]:
    seen, found = set[State](), {State.NEW}
    while found - seen:
        seen |= found
        found |= {after for (before, _), after in TRANSITIONS.items() if before in found}
    return found


def test_every_state_can_be_reached() -> None:
    assert reachable() == set(State)


@pytest.mark.parametrize("state", State)
def test_everything_can_be_stopped_for_good(state: State) -> None:
    assert TRANSITIONS[state, Signal.STOP] is State.STOPPED
    if state is State.STOPPED:
        assert [signal for before, signal in TRANSITIONS if before is state] == [Signal.STOP]


@pytest.mark.parametrize("state", [*WORKING, State.PAUSED])
def test_whoever_works_or_waits_can_fail_be_paused_and_lose_its_lease(state: State) -> None:
    assert TRANSITIONS[state, Signal.FAILED] is State.RETRYING
    assert TRANSITIONS[state, Signal.PAUSE] is State.PAUSED
    assert TRANSITIONS[state, Signal.LOST] is State.STANDING_BY


@pytest.mark.parametrize(
    ("signals", "state"),
    [
        ([], State.NEW),
        ([Signal.START], State.STANDING_BY),
        ([Signal.START, Signal.GRANTED], State.CATCHING_UP),
        ([Signal.START, Signal.GRANTED, Signal.CAUGHT_UP, Signal.FELL_BEHIND], State.CATCHING_UP),
        ([Signal.START, Signal.GRANTED, Signal.FAILED, Signal.GAVE_UP, Signal.CAUGHT_UP], State.LIVE),
        ([Signal.START, Signal.GRANTED, Signal.FAILED, Signal.WORKED, Signal.CAUGHT_UP], State.LIVE),
        ([Signal.START, Signal.GRANTED, Signal.PAUSE, Signal.RESUME], State.CATCHING_UP),
        ([Signal.START, Signal.GRANTED, Signal.PAUSE, Signal.LOST, Signal.GRANTED], State.CATCHING_UP),
    ],
)
def test_ways_through_it(signals: list[Signal], state: State) -> None:
    life = LifeCycle()
    for signal in signals:
        assert life.send(signal) is life.state
    assert life.state is state


def test_what_is_not_in_the_table_is_an_error() -> None:
    life = LifeCycle()
    with pytest.raises(EverfoldError, match="that is new cannot take the signal 'worked'"):
        life.send(Signal.WORKED)
    assert life.state is State.NEW
