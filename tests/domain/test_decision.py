"""Decisions: append, skip, reject, record and reject; and the rules that a run enforces."""

import gc
from collections.abc import Callable, Iterator
from typing import Any

import msgspec
import pytest

from everfold import Aggregate, Command, Event, Events, Rejected, decide, evolve
from everfold.domain.decision import Decided, apply, run_decision
from everfold.errors import BrokenRule, InvalidEvent


class Counted(Event):
    by: int = 1


class Refused(Event):
    pass


class Listed(Event):
    items: list[str]


class Ignored(Event):
    pass


class Run(Command[Any]):
    id: str = "c"
    how: str = ""
    items: list[str] = msgspec.field(default_factory=list[str])


class Counter(Aggregate, key="id"):
    count: int = 0
    refusals: int = 0
    items: list[str] = []  # noqa: RUF012 (copied for every instance)
    odd: set[float] = set()  # noqa: RUF012 (as above)

    @decide
    def run(self, command: Run) -> Any:
        return getattr(self, command.how)(command)

    @evolve
    def counted(self, event: Counted) -> None:
        if event.by < 0:
            raise ValueError("negative")
        self.count += event.by

    @evolve
    def refused(self, event: Refused) -> None:
        self.refusals += 1

    @evolve
    def listed(self, event: Listed) -> None:
        self.items = list(event.items)

    def twice(self, command: Run) -> Events[int]:
        assert self.count == 0
        yield Counted()
        assert self.count == 1
        yield Counted(by=self.count)
        return self.count

    def skip(self, command: Run) -> Events:
        yield from ()

    def nothing(self, command: Run) -> None:
        return None

    def answer(self, command: Run) -> list[int]:
        return [self.count]

    def empty(self, command: Run) -> list[int]:
        return []

    def reject(self, command: Run) -> Events:
        if self.count == 0:
            raise Rejected("empty", "There is nothing.", count=self.count)
        yield Counted()

    def count_then_reject(self, command: Run) -> Events:
        yield Counted()
        raise Rejected("late")

    def record_and_reject(self, command: Run) -> Events:
        if command.how:
            raise Rejected("limit", "Too much.").recording(Refused(), Refused())
        yield Counted()

    def record_and_reject_at_once(self, command: Run) -> None:
        raise Rejected("limit").recording(Refused())

    def count_then_record_and_reject(self, command: Run) -> Events:
        yield Counted()
        raise Rejected("late").recording(Refused())

    def negative(self, command: Run) -> Events:
        yield Counted(by=-1)

    def ignored(self, command: Run) -> Iterator[object]:
        yield Ignored()

    def a_list(self, command: Run) -> Iterator[object]:
        yield [Counted()]

    def returned(self, command: Run) -> Event:
        return Counted()

    def returned_list(self, command: Run) -> list[Event]:
        return [Counted(), Counted()]

    def returned_at_last(self, command: Run) -> Events[Event]:
        yield Counted()
        return Counted()

    def changes(self, command: Run) -> None:
        self.count = 5

    def changes_first(self, command: Run) -> Events:
        self.items.append("x")
        yield Counted()

    def changes_last(self, command: Run) -> Events:
        yield Counted()
        self.odd.add(float("nan"))

    def changes_and_rejects(self, command: Run) -> Events:
        self.count = 5
        if command.how:
            raise Rejected("no")
        yield Counted()

    def changes_and_rejects_at_once(self, command: Run) -> None:
        self.count = 5
        raise Rejected("no")

    def lists(self, command: Run) -> Events:
        yield Listed(items=command.items)

    def shares(self, command: Run) -> Events:
        yield Listed(items=command.items)
        command.items.append("too late")

    def breaks(self, command: Run) -> Events:
        yield Counted()
        raise ZeroDivisionError


@pytest.fixture(params=[True, False], ids=["checked", "unchecked"])
def checked(request: pytest.FixtureRequest) -> bool:
    return bool(request.param)


def run(
    how: str,
    *,
    checked: bool = True,
    state: Counter | None = None,
    decided: Decided | None = None,
    keep: Callable[[object], object] | None = None,
) -> Decided:
    definition = Counter.__everfold__
    return run_decision(
        definition.decisions[Run],
        state or Counter(),
        Run(how=how, items=["a"]),
        definition.evolutions,
        decided=decided or Decided(),
        checked=checked,
        keep=keep,
    )


def test_yield_evolves_at_once_and_return_is_the_reply(checked: bool) -> None:
    state = Counter()
    decided = run("twice", checked=checked, state=state)
    assert decided == Decided(events=[Counted(), Counted(by=1)], reply=2)
    assert state.count == 2


@pytest.mark.parametrize("how", ["skip", "nothing"])
def test_a_decision_may_have_nothing_to_record(how: str, checked: bool) -> None:
    assert run(how, checked=checked) == Decided()


def test_a_decision_without_events_may_reply(checked: bool) -> None:
    assert run("answer", checked=checked) == Decided(reply=[0])
    assert run("empty", checked=checked) == Decided(reply=[])


def test_a_rejection_is_raised_with_its_facts(checked: bool) -> None:
    decided = Decided()
    with pytest.raises(Rejected) as caught:
        run("reject", checked=checked, decided=decided)
    assert (caught.value.reason, caught.value.facts, decided.events) == ("empty", {"count": 0}, [])


def test_after_a_late_rejection_the_events_tell_what_the_state_was_evolved_by(checked: bool) -> None:
    decided = Decided()
    with pytest.raises(Rejected):
        run("count_then_reject", checked=checked, decided=decided)
    assert decided.events == [Counted()]


@pytest.mark.parametrize(("how", "count"), [("record_and_reject", 2), ("record_and_reject_at_once", 1)])
def test_a_refusal_can_be_recorded(how: str, count: int, checked: bool) -> None:
    state = Counter()
    decided = run(how, checked=checked, state=state)
    assert decided.events == [Refused()] * count
    assert decided.refusal is not None
    assert decided.refusal.reason == "limit"
    assert state.refusals == count


def test_a_recorded_refusal_leaves_no_garbage_that_is_never_collected(checked: bool) -> None:
    def refusals() -> int:
        gc.collect()
        return sum(isinstance(found, Rejected) for found in gc.get_objects())

    before = refusals()
    run("record_and_reject", checked=checked)
    assert refusals() == before


def test_a_refusal_is_not_recorded_after_events(checked: bool) -> None:
    with pytest.raises(BrokenRule, match=r"Counter yielded events and then refused with recording.*Refuse before"):
        run("count_then_record_and_reject", checked=checked)


def test_an_evolve_that_raises_breaks_a_rule(checked: bool) -> None:
    with pytest.raises(BrokenRule, match=r"@evolve of Counter for Counted failed .ValueError: negative.. Evolve never"):
        run("negative", checked=checked)
    with pytest.raises(BrokenRule, match="@evolve of Counter for Counted failed"):
        apply(Counter(), Counted(by=-1), Counter.__everfold__.evolutions)


def test_an_event_without_evolve_breaks_a_rule(checked: bool) -> None:
    with pytest.raises(BrokenRule, match=r"Counter has no @evolve for Ignored. Add one"):
        run("ignored", checked=checked)


def test_only_events_are_yielded(checked: bool) -> None:
    with pytest.raises(BrokenRule, match=r"Counter yielded \[Counted.* which is no event. Yield events one by one"):
        run("a_list", checked=checked)


@pytest.mark.parametrize("how", ["returned", "returned_list", "returned_at_last"])
def test_events_that_are_returned_and_not_yielded_break_a_rule(how: str, checked: bool) -> None:
    with pytest.raises(BrokenRule, match=r"Counter returned Counted. Yield events: what is returned is the reply"):
        run(how, checked=checked)


def test_other_errors_of_a_decision_pass_through(checked: bool) -> None:
    with pytest.raises(ZeroDivisionError):
        run("breaks", checked=checked)


@pytest.mark.parametrize(
    "how", ["changes", "changes_first", "changes_last", "changes_and_rejects", "changes_and_rejects_at_once"]
)
def test_a_checked_decision_must_not_change_the_state(how: str) -> None:
    with pytest.raises(BrokenRule, match=r"A decision of Counter changed the state itself: .* became .*Yield an event"):
        run(how)


def test_a_yielded_event_must_not_change_afterwards() -> None:
    with pytest.raises(BrokenRule, match=r"The event Listed was changed after it was yielded: .* copy of its own"):
        run("shares")


def test_what_json_cannot_hold_is_watched_all_the_same() -> None:
    state = Counter(items=["\ud800"])
    with pytest.raises(BrokenRule, match="changed the state itself: Counter"):
        run("changes", state=state)


def test_a_large_state_is_shown_in_part() -> None:
    with pytest.raises(BrokenRule) as caught:
        run("changes", state=Counter(items=["x" * 10_000]))
    assert len(str(caught.value)) < 1_000


def test_messages_and_decisions_are_plain_values() -> None:
    assert msgspec.json.encode(Run(how="x")) == b'{"id":"c","how":"x","items":[]}'


# --- the store encodes each event as it is recorded, and the state evolves by what will be read back


def copying(kept: list[object]) -> Callable[[object], object]:
    def keep(event: object) -> object:
        kept.append(event)
        return msgspec.json.decode(msgspec.json.encode(event), type=type(event))

    return keep


def test_the_state_evolves_by_the_kept_copy_and_shares_nothing(checked: bool) -> None:
    class Hoarder(Counter, key="id"):
        @evolve
        def listed(self, event: Listed) -> None:
            self.items = event.items

    state, kept, command = Hoarder(), list[object](), Run(how="lists", items=["a"])
    definition = Hoarder.__everfold__
    run_decision(
        definition.decisions[Run],
        state,
        command,
        definition.evolutions,
        decided=Decided(),
        checked=checked,
        keep=copying(kept),
    )
    command.items.append("too late")
    assert kept == [Listed(items=["a", "too late"])]
    assert state.items == ["a"]


def test_events_that_nothing_evolves_by_are_not_kept(checked: bool) -> None:
    for how in ("ignored", "a_list"):
        kept: list[object] = []
        with pytest.raises(BrokenRule):
            run(how, checked=checked, keep=copying(kept))
        assert kept == []


def test_a_recorded_refusal_is_kept_too(checked: bool) -> None:
    kept: list[object] = []
    run("record_and_reject", checked=checked, keep=copying(kept))
    assert kept == [Refused(), Refused()]


def test_an_event_that_cannot_be_kept_fails_the_decision_as_it_is(checked: bool) -> None:
    def keep(event: object) -> object:
        raise InvalidEvent("counted", "on purpose")

    with pytest.raises(InvalidEvent, match="on purpose"):
        run("twice", checked=checked, keep=keep)
