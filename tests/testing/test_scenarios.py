"""Scenarios: what they accept, and how they complain."""

import asyncio
from collections.abc import Callable
from typing import Annotated, Any

import pytest
from msgspec import Meta

from everfold import Aggregate, Command, DecisionModel, Event, Events, Rejected, Tag, decide, evolve
from everfold.errors import BrokenRule, DefinitionError, InvalidEvent, InvalidMessage
from everfold.testing import Scenario, scenario


class Filled(Event):
    litres: Annotated[int, Meta(gt=0)]


class Emptied(Event):
    pass


class Warned(Event):
    text: str


class Measured(Event):
    value: Any


class Fill(Command[int]):
    tank_id: str
    litres: Annotated[int, Meta(gt=0)]


class Empty(Command):
    tank_id: str


class Cheat(Command):
    tank_id: str


class Measure(Command):
    tank_id: str
    value: Any


class Unknown(Command):
    tank_id: str


class Tank(Aggregate, key="tank_id"):
    litres: int = 0

    @decide
    def fill(self, command: Fill) -> Events[int]:
        if self.litres + command.litres > 100:
            raise Rejected("too-full", "It would spill.", free=100 - self.litres)
        if command.litres == 13:
            raise Rejected("unlucky").recording(Warned(text="13"))
        yield Filled(litres=command.litres)
        return self.litres

    @decide
    def empty(self, command: Empty) -> Events:
        if self.litres:
            yield Emptied()

    @decide
    def cheat(self, command: Cheat) -> Events:
        self.litres = 50
        yield Emptied()

    @decide
    def measure(self, command: Measure) -> Events:
        yield Measured(value={1} if command.value == "set" else float("nan"))

    @evolve
    def filled(self, event: Filled) -> None:
        self.litres += event.litres

    @evolve
    def emptied(self, event: Emptied) -> None:
        self.litres = 0

    @evolve
    def warned(self, event: Warned | Measured) -> None: ...


FULL = Filled(litres=90)
Expectation = Callable[[Scenario[Tank]], object]


def test_everything_that_can_be_expected() -> None:
    (
        scenario(Tank)
        .given(Filled(litres=20), Filled(litres=10))
        .state(litres=30)
        .when(Fill(tank_id="t", litres=5))
        .then(Filled(litres=5))
        .replied(35)
        .state(litres=35)
        .state(Tank(litres=35))
        .when(Fill(tank_id="t", litres=70))
        .rejected("too-full", free=65)
        .then()
        .state(litres=35)
        .when(Empty(tank_id="t"))
        .then(Emptied())
        .replied(None)
        .when(Empty(tank_id="t"))
        .nothing()
    )


def test_a_refusal_may_record_facts() -> None:
    scenario(Tank).when(Fill(tank_id="t", litres=13)).rejected("unlucky").then(Warned(text="13"))


def begun(*given: object) -> Scenario[Tank]:
    return scenario(Tank).given(*given)


def said(error: pytest.ExceptionInfo[AssertionError]) -> str:
    return str(error.value)


def test_other_events() -> None:
    with pytest.raises(AssertionError) as error:
        begun().when(Fill(tank_id="t", litres=5)).then(Filled(litres=6), Emptied())
    assert said(error) == (
        "Fill(tank_id='t', litres=5) recorded other events (- expected, + recorded):\n"
        "  - Filled(litres=6)\n  + Filled(litres=5)\n      litres: expected 6, got 5\n  - Emptied()"
    )


def test_equal_events_stay_unmarked() -> None:
    with pytest.raises(AssertionError) as error:
        begun().when(Fill(tank_id="t", litres=5)).then(Filled(litres=5), Emptied())
    assert "    Filled(litres=5)\n  - Emptied()" in said(error)


AGAINST_A_REFUSAL: list[tuple[Expectation, str]] = [
    (lambda it: it.then(FULL), "was rejected, 'too-full': It would spill.. Expected:\n    Filled(litres=90)"),
    (lambda it: it.nothing(), "was rejected, 'too-full'"),
    (lambda it: it.replied(1), "was rejected, 'too-full'"),
    (lambda it: it.rejected("other"), "Expected the reason 'other'"),
    (lambda it: it.rejected("too-full", free=1), "was rejected with free=10. Expected free=1"),
    (lambda it: it.rejected("too-full", other=1), "other='(nothing)'"),
]


@pytest.mark.parametrize(("expect", "message"), AGAINST_A_REFUSAL)
def test_a_refusal_that_was_not_expected(expect: Expectation, message: str) -> None:
    with pytest.raises(AssertionError) as error:
        expect(begun(FULL).when(Fill(tank_id="t", litres=20)))
    assert message in said(error)


AGAINST_AN_ACCEPTANCE: list[tuple[Expectation, str]] = [
    (lambda it: it.rejected("full"), "was accepted and recorded:\n    Filled(litres=5)"),
    (lambda it: it.nothing(), "was to record nothing. It recorded:\n    Filled(litres=5)"),
    (lambda it: it.replied(6), "replied 5. Expected 6."),
    (lambda it: it.then(), "  + Filled(litres=5)"),
    (lambda it: it.state(litres=6), "    litres: expected 6, is 5"),
]


@pytest.mark.parametrize(("expect", "message"), AGAINST_AN_ACCEPTANCE)
def test_an_acceptance_that_was_not_expected(expect: Expectation, message: str) -> None:
    with pytest.raises(AssertionError) as error:
        expect(begun().when(Fill(tank_id="t", litres=5)))
    assert message in said(error)


def test_nothing_recorded_is_shown() -> None:
    with pytest.raises(AssertionError, match=r"accepted and recorded:\n    \(none\)"):
        begun().when(Empty(tank_id="t")).rejected("empty")


def test_what_was_decided_has_to_be_looked_at() -> None:
    with pytest.raises(AssertionError, match="nothing was expected of it"):
        begun().when(Empty(tank_id="t")).when(Empty(tank_id="t"))


def test_decisions_that_change_the_state_fail() -> None:
    with pytest.raises(BrokenRule, match="changed the state"):
        begun().when(Cheat(tank_id="t"))


def test_events_have_to_survive_being_stored() -> None:
    with pytest.raises((BrokenRule, InvalidEvent)):
        begun().when(Measure(tank_id="t", value="set"))
    with pytest.raises(InvalidEvent):
        begun().when(Measure(tank_id="t", value="nan"))
    with pytest.raises(InvalidEvent):
        begun(Filled(litres=-1)).when(Empty(tank_id="t"))


def test_commands_are_validated() -> None:
    with pytest.raises(InvalidMessage, match="litres"):
        begun().when(Fill(tank_id="t", litres="ten"))  # type: ignore[arg-type] # pyright: ignore[reportArgumentType]


@pytest.mark.parametrize(
    "wrong",
    [
        lambda: scenario(Aggregate),
        lambda: scenario(str),  # type: ignore[type-var]
        lambda: begun("no event"),
        lambda: begun().when(Unknown(tank_id="t")),
        lambda: begun().then(),
        lambda: begun().when(Empty(tank_id="t")).nothing().given(FULL),
        lambda: begun().state(size=1),
    ],
)
def test_scenarios_that_make_no_sense(wrong: Any) -> None:
    with pytest.raises(DefinitionError):
        wrong()


class Joined(Event):
    club: Annotated[str, Tag("club")]
    person: Annotated[str, Tag("person")]


class Join(Command):
    club: Annotated[str, Tag("club")]
    person: Annotated[str, Tag("person")]


class Membership(DecisionModel):
    club: Annotated[str, Tag("club")]
    person: Annotated[str, Tag("person")]
    members: int = 0
    clubs: int = 0

    @decide
    def join(self, command: Join) -> Events:
        if self.members == 2:
            raise Rejected("club-full")
        yield Joined(club=command.club, person=command.person)

    @evolve
    def joined(self, event: Joined) -> None:
        self.members += event.club == self.club
        self.clubs += event.person == self.person


def test_decision_models_see_what_carries_their_tags() -> None:
    (
        scenario(Membership)
        .given(Joined(club="chess", person="ann"), Joined(club="go", person="bob"), Joined(club="go", person="eve"))
        .when(Join(club="chess", person="bob"))
        .then(Joined(club="chess", person="bob"))
        .state(members=2, clubs=2)
        .when(Join(club="chess", person="eve"))
        .rejected("club-full")
    )


def test_the_state_of_a_decision_model_needs_a_command() -> None:
    with pytest.raises(DefinitionError, match="depends on the command"):
        scenario(Membership).state(members=0)


async def test_scenarios_work_inside_a_running_loop() -> None:
    await asyncio.sleep(0)
    scenario(Tank).when(Fill(tank_id="t", litres=5)).then(Filled(litres=5))
