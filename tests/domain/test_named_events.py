"""The events that a decision names are known when the class is made: each needs an evolution."""

import types
from typing import Any

import pytest

from everfold import Aggregate, Command, Event, Events, decide, evolve
from everfold.errors import DefinitionError

# pyright: reportUnusedClass=false


class Closed(Event):
    pass


class Close(Command):
    id: str


def make(**body: Any) -> Any:
    """An aggregate with this body."""
    body |= {"__module__": __name__, "__qualname__": "Broken"}
    return types.new_class("Broken", (Aggregate,), {"key": "id"}, lambda namespace: namespace.update(body))


def test_a_decision_that_names_an_event_without_evolve_is_refused() -> None:
    with pytest.raises(
        DefinitionError, match=r"the decision 'close' names Closed, but there is no @evolve for it. Add one"
    ):

        class Broken(Aggregate, key="id"):
            @decide
            def close(self, command: Close) -> Events:
                yield Closed()


def test_events_are_seen_behind_modules_classes_nested_functions_and_helpers() -> None:
    class Scope:
        Closed = Closed

    here = types.ModuleType("here")
    here.Closed = Closed  # type: ignore[attr-defined] # a module as `import shop.events as here` gives

    def by_module(self: Any, command: Close) -> Events:
        yield here.Closed()

    def by_class(self: Any, command: Close) -> Events:
        yield Scope.Closed()

    def nested(self: Any, command: Close) -> Events:
        def closing() -> Any:
            return Closed()

        yield closing()

    def by_helper(self: Any, command: Close) -> Events:
        yield from self.helper()

    def helper(self: Any) -> Any:
        yield Closed()
        yield from self.helper()

    for decision in (by_module, by_class, nested, by_helper):
        with pytest.raises(DefinitionError, match=f"the decision '{decision.__name__}' names Closed"):
            make(close=decide(decision), helper=helper)


def test_helpers_that_call_each_other_are_looked_into_once() -> None:
    class Door(Aggregate, key="id"):
        @decide
        def close(self, command: Close) -> Events:
            yield from self.closing()

        @evolve
        def closed(self, event: Closed) -> None: ...

        def closing(self) -> Events:
            yield Closed()
            yield from self.closing()

    assert list(Door.__everfold__.decisions) == [Close]


def test_an_event_that_is_defined_after_the_class_is_found_when_it_is_yielded() -> None:
    class Early(Aggregate, key="id"):
        @decide
        def close(self, command: Close) -> Events:
            yield Later()

    class Later(Event):
        pass

    assert isinstance(next(Early().close(Close(id="a"))), Later)
