"""The registry: permanent names, each for one class."""

from typing import Generic, TypeVar

import pytest

from everfold import Event
from everfold.codec.registry import Registry
from everfold.errors import DefinitionError

T = TypeVar("T")


class Placed(Event):
    pass


class Ordered(Event, name="placed", version=2):
    pass


class Changed(Event, Generic[T]):
    value: T


def test_events_are_found_by_class_and_by_name() -> None:
    registry = Registry([Placed, Placed])
    assert [event_type.cls for event_type in registry] == [Placed]
    assert registry.by_class[Placed] is registry.by_name["placed"]


def test_two_events_with_one_name_are_refused() -> None:
    with pytest.raises(DefinitionError, match=r"Placed and .*Ordered have the same permanent name 'placed'. Give one"):
        Registry([Placed, Ordered])


@pytest.mark.parametrize("cls", [int, Event])
def test_what_is_no_event_is_refused(cls: type) -> None:
    with pytest.raises(DefinitionError, match=r"is not an event. Subclass Event, or decorate it with @event"):
        Registry([cls])


def test_an_open_generic_is_refused() -> None:
    with pytest.raises(DefinitionError, match=r"Changed is generic: .* such as class SpecialChanged\(Changed\[int\]\)"):
        Registry([Changed])


class ReadsAnUnknownType(Event):
    later: "DefinedLater"


class DefinedLater(Event):
    pass


def test_a_type_defined_after_the_event_is_known_at_start() -> None:
    assert Registry([ReadsAnUnknownType]).by_name["reads-an-unknown-type"].version == 1


class Opaque:
    pass


class Opened(Event):
    later: "list[OpaqueLater]"


OpaqueLater = Opaque


def test_a_type_that_turns_out_to_be_wrong_is_refused_at_start() -> None:
    with pytest.raises(DefinitionError, match="the field 'later' has the type Opaque, which cannot be stored"):
        Registry([Opened])
