import asyncio

import pytest

from everfold.app.done import Done
from everfold.errors import (
    Conflict,
    InvalidMessage,
    NotAuthorized,
    NotFound,
    OutcomeUnknown,
    Rejected,
    StoreFull,
    TimedOut,
)
from everfold.identifiers import Position, Version
from everfold.telemetry.outcomes import FAILURES, OUTCOMES, outcome_of_error, outcome_of_result


@pytest.mark.parametrize(
    ("error", "outcome"),
    [
        (Rejected("no", "No."), "rejected"),
        (Conflict("others wrote"), "conflict"),
        (NotFound("account", "a1"), "not-found"),
        (InvalidMessage("deposit", "it is wrong"), "refused"),
        (NotAuthorized("No."), "refused"),
        (OutcomeUnknown("?"), "unknown"),
        (TimedOut("late"), "timed-out"),
        (asyncio.CancelledError(), "cancelled"),
        (StoreFull("full"), "error"),
        (ValueError("a bug"), "error"),
        (KeyboardInterrupt(), "error"),
    ],
)
def test_errors_have_outcomes(error: BaseException, outcome: str) -> None:
    assert outcome_of_error(error) == outcome
    assert outcome in OUTCOMES


def test_a_repeated_command_is_a_duplicate() -> None:
    done = Done(reply=None, position=Position(1), version=Version(1))
    again = Done(reply=None, position=Position(1), version=Version(1), repeated=True)
    assert (outcome_of_result(done), outcome_of_result(again)) == ("accepted", "duplicate")


def test_failures_are_outcomes() -> None:
    assert set(OUTCOMES) > FAILURES
    assert len(OUTCOMES) == len(set(OUTCOMES))
    assert "error" in FAILURES
