"""With ``from __future__ import annotations`` and inside functions, everything is found all the same."""

# pyright: reportUnusedClass=false

from __future__ import annotations

import dataclasses
import decimal
from typing import TYPE_CHECKING, Annotated, Any

import msgspec
import pytest

from everfold import Aggregate, Command, DecisionModel, Event, Events, Tag, decide, event, evolve
from everfold.codec.pipeline import Codec
from everfold.errors import DefinitionError

if TYPE_CHECKING:
    from fractions import Fraction


def test_types_local_to_a_function_are_found() -> None:
    class Line(msgspec.Struct, frozen=True):
        price: decimal.Decimal

    class Placed(Event):
        lines: list[Line]
        twin: Placed | None = None

    class Place(Command):
        order_id: str

    class Order(Aggregate, key="order_id"):
        total: decimal.Decimal = decimal.Decimal(0)

        @decide
        def place(self, command: Place) -> Events:
            yield Placed(lines=[])

        @evolve
        def placed(self, event: Placed) -> None:
            self.total += sum(line.price for line in event.lines)

    assert list(Order.__everfold__.decisions) == [Place]
    assert list(Order.__everfold__.evolutions) == [Placed]
    placed = Placed(lines=[Line(decimal.Decimal("1.10"))], twin=Placed(lines=[]))
    record = Codec([Placed], new_id=str).encode(placed)
    assert msgspec.json.decode(record.data, type=Placed) == placed


def test_types_of_an_enclosing_function_are_found_in_a_nested_class() -> None:
    class Opened(Event):
        pass

    class Outer:
        class Door(Aggregate, key="door_id"):
            is_open: bool = False

            class Closed(Event):
                pass

            @evolve
            def opened(self, event: Opened) -> None:
                self.is_open = True

            @evolve
            def closed(self, event: Closed) -> None:
                self.is_open = False

    assert list(Outer.Door.__everfold__.evolutions) == [Opened, Outer.Door.Closed]


def test_local_tags_and_dataclasses_are_found() -> None:
    class Course(Tag, frozen=True):
        name: str = "course"

    @event()
    @dataclasses.dataclass(frozen=True)
    class Defined:
        course_id: Annotated[str, Course()]

    class Seats(DecisionModel):
        course_id: Annotated[str, Course()]

        @evolve
        def defined(self, event: Defined) -> None: ...

    assert Seats.__everfold__.types_by_field == {"course_id": ("defined",)}


def test_a_field_may_have_the_name_of_its_type() -> None:
    class Placed(Event):
        decimal: decimal.Decimal | None = None

    assert Codec([Placed], new_id=str).encode(Placed()).data == '{"decimal":null}'


def test_a_type_for_type_checkers_only_is_refused_where_it_decides() -> None:
    with pytest.raises(DefinitionError, match=r"the type 'Fraction' of 'event' is not known here .* not only for type"):

        class Broken(Aggregate, key="id"):
            @evolve
            def halved(self, event: Fraction) -> None: ...


def test_a_field_whose_type_is_never_defined_is_refused_at_start() -> None:
    class Halved(Event):
        part: Fraction

    with pytest.raises(
        DefinitionError, match=r"Halved cannot be stored: name 'Fraction' is not defined. Define or import"
    ):
        Codec([Halved], new_id=str)


def test_a_tagged_class_whose_types_are_unknown_is_refused() -> None:
    class Halved(Event):
        part: Fraction

    with pytest.raises(DefinitionError, match="Halved: name 'Fraction' is not defined"):

        class Model(DecisionModel):
            id: Annotated[str, Tag("x")]

            @evolve
            def halved(self, event: Halved) -> None: ...


def test_a_key_field_of_unknown_type_passes_until_start() -> None:
    class Halve(Command):
        id: str
        part: Fraction

    class Halving(Aggregate, key="id"):
        @decide
        def halve(self, command: Halve) -> Any: ...

    assert list(Halving.__everfold__.decisions) == [Halve]
