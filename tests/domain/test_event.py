"""Events: named, versioned, immutable, and checked when the class is made."""

import types
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

import attrs
import msgspec
import pydantic
import pytest

from everfold import Event, event
from everfold.domain.event import event_definition
from everfold.errors import DefinitionError

T = TypeVar("T")


def make(annotations: dict[str, Any] | None = None, /, *bases: type, **keywords: Any) -> Any:
    """An event class that a type checker would refuse."""
    body = {"__annotations__": annotations or {}, "__module__": __name__}
    return types.new_class("OrderPlaced", bases or (Event,), keywords, lambda namespace: namespace.update(body))


def definition(cls: type) -> tuple[str, int]:
    found = event_definition(cls)
    assert found is not None
    return found.name, found.version


def test_name_and_version_come_from_the_class() -> None:
    class HTTPRequestSent2(Event):
        pass

    assert definition(HTTPRequestSent2) == ("http-request-sent2", 1)


def test_name_and_version_can_be_given() -> None:
    class Placed(Event, name="order-placed", version=3):
        pass

    assert definition(Placed) == ("order-placed", 3)


def test_a_subclass_has_its_own_name_and_the_fields_of_its_base() -> None:
    class OrderEvent(Event, name="order-event", version=2):
        order_id: str

    class Shipped(OrderEvent):
        carrier: str = "post"

    assert definition(Shipped) == ("shipped", 1)
    assert Shipped(order_id="o1") == Shipped(order_id="o1", carrier="post")


def test_the_root_is_no_event_itself() -> None:
    assert event_definition(Event) is None


def test_events_are_immutable_and_take_keywords_only() -> None:
    made = make({"amount": int})
    placed = made(amount=1)
    with pytest.raises(AttributeError):
        placed.amount = 2
    with pytest.raises(TypeError):
        made(1)


@pytest.mark.parametrize("name", ["", "has space", "a/b", "x" * 101, "tab\t", "new\nline", 5, "\ud800"])
def test_a_bad_name_is_refused(name: object) -> None:
    with pytest.raises(DefinitionError, match=r"test_event\.OrderPlaced: name=.* cannot be a permanent name"):
        make(name=name)


@pytest.mark.parametrize("name", ["order-placed", "Order.Placed", "sales:order_placed+2", "überwiesen"])
def test_names_of_other_systems_are_accepted(name: str) -> None:
    assert definition(make(name=name)) == (name, 1)


@pytest.mark.parametrize("version", [0, -1, 1_000_001, "2", 1.0, True])
def test_a_bad_version_is_refused(version: object) -> None:
    with pytest.raises(DefinitionError, match="is not a whole number from 1"):
        make(version=version)


@pytest.mark.parametrize(
    "keyword", ["naem", "route", "frozen", "kw_only", "array_like", "omit_defaults", "kind", "tag"]
)
def test_an_unknown_class_keyword_is_refused_with_those_there_are(keyword: str) -> None:
    with pytest.raises(
        DefinitionError, match=f"class keyword {keyword}= does not exist here. There are: name=, version="
    ):
        make(**{keyword: "x"})


def test_fields_can_be_renamed_when_stored() -> None:
    assert msgspec.json.encode(make({"order_id": str}, rename="camel")(order_id="o1")) == b'{"orderId":"o1"}'


class Opaque:
    pass


class Holder(msgspec.Struct):
    opaque: Opaque


@pytest.mark.parametrize(
    ("annotation", "problem"),
    [
        (Opaque, "the field 'f' has the type Opaque, which cannot be stored"),
        (list[Opaque | None], "the field 'f' has the type Opaque, which cannot be stored"),
        (Holder, "the field 'f' has the type Opaque, which cannot be stored"),
        (object, "the field 'f' has the type object, which cannot be stored"),
        (complex, "the field 'f' has the type complex, which cannot be stored"),
        (Callable[[], int], "the field 'f' has the type Callable, which cannot be stored"),
        (str | bytes, "the field 'f' has a type that cannot be stored"),
        (dict[tuple[int, int], str], "the field 'f' is a dict whose keys are neither text nor numbers"),
        (list[dict[bool | str, str]], "the field 'f' is a dict whose keys are neither text nor numbers"),
    ],
)
def test_a_type_that_cannot_be_encoded_is_refused(annotation: Any, problem: str) -> None:
    with pytest.raises(DefinitionError) as caught:
        make({"fine": int, "f": annotation})
    assert problem in str(caught.value)
    assert "Use plain types, structs" in str(caught.value)


def test_a_mutable_default_is_refused() -> None:
    body = {"__annotations__": {"items": list[int]}, "items": [1], "__module__": __name__}
    with pytest.raises(DefinitionError, match="default_factory"):
        types.new_class("OrderPlaced", (Event,), {}, lambda namespace: namespace.update(body))


def test_a_type_that_is_defined_later_is_accepted() -> None:
    assert definition(make({"f": "DefinedLater"})) == ("order-placed", 1)
    assert definition(make({"f": list["DefinedLater"]})) == ("order-placed", 1)  # type: ignore[name-defined] # noqa: F821  # pyright: ignore[reportUndefinedVariable] (on purpose)


def test_a_generic_base_gives_typed_events() -> None:
    class Changed(Event, Generic[T]):
        value: T

    class PriceChanged(Changed[int]):
        pass

    with pytest.raises(msgspec.ValidationError):
        msgspec.json.decode(b'{"value": "x"}', type=PriceChanged)


@dataclass(frozen=True)
class DataclassPaid:
    amount: int = 0


@attrs.frozen
class AttrsPaid:
    amount: int = 0


class PydanticPaid(pydantic.BaseModel, frozen=True):
    amount: int = 0


class StructPaid(msgspec.Struct, frozen=True):
    amount: int = 0


@pytest.mark.parametrize("cls", [DataclassPaid, AttrsPaid, PydanticPaid, StructPaid])
def test_frozen_classes_of_every_kind_become_events(cls: type) -> None:
    assert event(name="paid", version=2)(cls) is cls
    assert definition(cls) == ("paid", 2)


def test_a_subclass_of_a_decorated_class_is_no_event() -> None:
    event(DataclassPaid)

    @dataclass(frozen=True)
    class Refunded(DataclassPaid):
        pass

    assert event_definition(Refunded) is None


def test_event_needs_no_parentheses() -> None:
    @event
    @dataclass(frozen=True)
    class CardCharged:
        amount: int

    assert definition(CardCharged) == ("card-charged", 1)
    assert CardCharged(1).amount == 1


@dataclass
class DataclassOpen:
    amount: int = 0


@attrs.define
class AttrsOpen:
    amount: int = 0


class PydanticOpen(pydantic.BaseModel):
    amount: int = 0


class StructOpen(msgspec.Struct):
    amount: int = 0


@pytest.mark.parametrize("cls", [DataclassOpen, AttrsOpen, PydanticOpen, StructOpen])
def test_classes_that_are_not_frozen_are_refused(cls: type) -> None:
    with pytest.raises(DefinitionError, match=f"{cls.__name__} can be changed after it was made. .* make it frozen"):
        event(cls)


def test_a_plain_class_is_refused() -> None:
    with pytest.raises(DefinitionError, match="cannot be an event: make it a frozen dataclass"):
        event(Opaque)


def test_a_name_without_keyword_is_refused() -> None:
    mark: Any = event
    with pytest.raises(DefinitionError, match=r"'paid' is none. A name is given by name="):
        mark("paid")


def test_private_attrs_fields_are_refused_because_they_would_be_left_out() -> None:
    @attrs.frozen
    class Paid:
        _secret: int = 0

    with pytest.raises(DefinitionError, match="the field '_secret' is private, and would be left out"):
        event(Paid)
