"""Scenarios: given these events, when this command, then those events. Synchronous, without a store or a loop.

Decisions always run checked: one that changes the state itself fails, and every event has to survive being stored.
"""

from __future__ import annotations

from typing import Any, Generic, NoReturn, Self, TypeVar

import msgspec

from everfold.domain.aggregate import AggregateDefinition
from everfold.domain.command import Command
from everfold.domain.decision import Decided, run_decision
from everfold.domain.decision_model import DecisionModelDefinition
from everfold.domain.event import event_definition
from everfold.domain.state import State
from everfold.errors import DefinitionError, InvalidMessage, Rejected
from everfold.testing.decided_state import StateAfter
from everfold.testing.event_diff import field_values, show_difference, show_events

__all__ = ["Scenario", "scenario"]

S = TypeVar("S", bound=State)
_encode = msgspec.json.encode


def scenario(cls: type[S]) -> Scenario[S]:
    """A scenario for an aggregate or a decision model::

    def test_withdraw() -> None:
        (
            scenario(Account)
            .given(AccountOpened(owner="Ann", initial_balance=100))
            .when(Withdraw(account_id="a1", amount=30))
            .then(MoneyWithdrawn(amount=30))
            .replied(70)
            .state(balance=70)
        )
    """
    return Scenario(cls)


class Scenario(Generic[S]):
    """What happened, what is asked for, and what must come of it. Every method returns the scenario itself."""

    def __init__(self, cls: type[S]) -> None:
        if not isinstance(vars(cls).get("__everfold__"), AggregateDefinition | DecisionModelDefinition):
            raise DefinitionError(f"{cls!r} has no decisions. Give a subclass of Aggregate or DecisionModel.")
        self._cls = cls
        self._definition: AggregateDefinition | DecisionModelDefinition = vars(cls)["__everfold__"]
        self._history: list[object] = []
        self._command: Command[Any] | None = None
        self._outcome: Decided | None = None
        self._state: S | None = None
        self._is_looked_at = True

    def given(self, *events: object) -> Self:
        """These events were recorded before, in this order, after those given earlier."""
        __tracebackhide__ = True
        for event in events:
            if event_definition(type(event)) is None:
                raise DefinitionError(f"given(...) takes events, and {event!r} is none.")
        if self._command is not None:
            raise DefinitionError("given(...) comes before when(...): what the decision recorded is kept by itself.")
        self._history.extend(events)
        return self

    def when(self, command: Command[Any]) -> Self:
        """Decide this command. May be called again: what the decision before recorded has happened then."""
        __tracebackhide__ = True
        self.check_looked_at()
        decision = self._definition.decisions.get(type(command))
        if decision is None:
            known = ", ".join(sorted(kind.__qualname__ for kind in self._definition.decisions)) or "no command"
            raise DefinitionError(f"{self._cls.__qualname__} does not decide {command!r}. It decides {known}.")
        _check_message(command)
        after = StateAfter(self._cls, self._history, command)
        decided = Decided()
        try:
            run_decision(
                decision,
                after.state,
                command,
                self._definition.evolutions,
                decided=decided,
                checked=True,
                keep=after.keep,
            )
        except Rejected as refusal:
            decided = Decided(refusal=refusal)
            after = StateAfter(self._cls, self._history, command)
        self._state = after.state
        self._history.extend(decided.events)
        self._command, self._outcome, self._is_looked_at = command, decided, False
        return self

    def then(self, *events: object) -> Self:
        """The decision recorded exactly these events, in this order."""
        __tracebackhide__ = True
        outcome = self._look()
        if outcome.refusal is not None and not outcome.events and events:
            _fail(f"{self._asked} was rejected, {_reason(outcome.refusal)}. Expected:\n{show_events(events)}")
        if list(events) != outcome.events or list(map(type, events)) != list(map(type, outcome.events)):
            difference = show_difference(events, outcome.events)
            _fail(f"{self._asked} recorded other events (- expected, + recorded):\n{difference}")
        return self

    def nothing(self) -> Self:
        """The decision accepted the command and recorded nothing: there was nothing to do."""
        __tracebackhide__ = True
        outcome = self._look()
        if outcome.refusal is not None:
            _fail(f"{self._asked} was rejected, {_reason(outcome.refusal)}. Expected nothing to happen.")
        if outcome.events:
            _fail(f"{self._asked} was to record nothing. It recorded:\n{show_events(outcome.events)}")
        return self

    def rejected(self, reason: str, **facts: object) -> Self:
        """The decision refused with this reason, and with these facts (others may be there too)."""
        __tracebackhide__ = True
        outcome = self._look()
        if outcome.refusal is None:
            recorded = show_events(outcome.events)
            _fail(f"{self._asked} was to be rejected as {reason!r}. It was accepted and recorded:\n{recorded}")
        if outcome.refusal.reason != reason:
            _fail(f"{self._asked} was rejected, {_reason(outcome.refusal)}. Expected the reason {reason!r}.")
        for name, value in facts.items():
            found = outcome.refusal.facts.get(name, "(nothing)")
            if found != value:
                _fail(f"{self._asked} was rejected with {name}={found!r}. Expected {name}={value!r}.")
        return self

    def replied(self, reply: object) -> Self:
        """The decision accepted the command and returned this."""
        __tracebackhide__ = True
        outcome = self._look()
        if outcome.refusal is not None:
            _fail(f"{self._asked} was rejected, {_reason(outcome.refusal)}. Expected the reply {reply!r}.")
        if outcome.reply != reply:
            _fail(f"{self._asked} replied {outcome.reply!r}. Expected {reply!r}.")
        return self

    def state(self, expected: S | None = None, **fields: object) -> Self:
        """The state is this one, or has these fields: after the decision, or after what was given."""
        __tracebackhide__ = True
        state = self._state if self._state is not None else StateAfter(self._cls, self._history).state
        wanted = fields if expected is None else field_values(expected) | fields
        found = field_values(state)
        for name in wanted:
            if name not in found:
                raise DefinitionError(f"{self._cls.__qualname__} has no field {name!r}. It has {', '.join(found)}.")
        wrong = [
            f"    {name}: expected {wanted[name]!r}, is {found[name]!r}"
            for name in wanted
            if wanted[name] != found[name]
        ]
        if wrong:
            _fail(f"The state of {self._cls.__qualname__} differs:\n" + "\n".join(wrong))
        return self

    def check_looked_at(self) -> None:
        """Fail when a command was decided and nothing was expected of it: a refusal would have gone unseen."""
        __tracebackhide__ = True
        if not self._is_looked_at:
            _fail(f"{self._asked} was decided, but nothing was expected of it. Add .then(...) or .rejected(...).")

    def _look(self) -> Decided:
        __tracebackhide__ = True
        if self._outcome is None:
            raise DefinitionError("Call when(...) before you say what must come of it.")
        self._is_looked_at = True
        return self._outcome

    @property
    def _asked(self) -> str:
        return repr(self._command)


def _check_message(command: Command[Any]) -> None:
    try:
        msgspec.json.decode(_encode(command), type=type(command))
    except (msgspec.MsgspecError, TypeError, ValueError, OverflowError) as error:
        raise InvalidMessage(type(command).__qualname__, str(error)) from error


def _reason(refusal: Rejected) -> str:
    return f"{refusal.reason!r}: {refusal.message}"


def _fail(message: str) -> NoReturn:
    __tracebackhide__ = True
    raise AssertionError(message)
