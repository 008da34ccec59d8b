"""Golden records: written once, compared for ever."""

import json
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from enum import Enum
from pathlib import Path
from typing import Annotated, Any, Literal, NamedTuple, TypedDict
from uuid import UUID

import msgspec
import pydantic
import pytest
from msgspec import Meta

from everfold import App, Data, Event, event, upcast
from everfold.domain.example_values import example_data
from everfold.testing import golden


class Paid(Event, name="paid"):
    amount: Annotated[int, Meta(ge=100)]


class PaidInCurrency(Event, name="paid", version=2):
    amount: int
    currency: str


@upcast("paid", from_version=1)
def add_currency(data: Data) -> Data:
    return data | {"currency": "EUR"}


def written(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.glob("*.json"))


def test_missing_records_are_written_when_told(tmp_path: Path) -> None:
    with pytest.raises(AssertionError, match=r"paid\.v1\.json is missing"):
        golden(App("shop", Paid), tmp_path)
    assert written(tmp_path) == []
    golden(App("shop", Paid), tmp_path, write=True)
    assert json.loads((tmp_path / "paid.v1.json").read_text()) == {
        "type": "paid",
        "schema_version": 1,
        "data": {"amount": 100},
        "reads_as": [{"type": "paid", "schema_version": 1, "data": {"amount": 100}}],
    }
    golden(App("shop", Paid), tmp_path)


def test_examples_of_ones_own(tmp_path: Path) -> None:
    golden(App("shop", Paid), tmp_path, examples=[Paid(amount=777)], write=True)
    assert json.loads((tmp_path / "paid.v1.json").read_text())["data"] == {"amount": 777}


def test_old_records_stay_and_are_read_through_upcasters(tmp_path: Path) -> None:
    golden(App("shop", Paid), tmp_path, write=True)
    newer = App("shop", PaidInCurrency, add_currency)
    with pytest.raises(AssertionError) as error:
        golden(newer, tmp_path)
    assert "paid.v2.json is missing" in str(error.value)
    assert "paid.v1.json is read differently now" in str(error.value)
    assert '  + paid v2 {"amount":100,"currency":"EUR"}' in str(error.value)
    golden(newer, tmp_path, write=True)
    assert written(tmp_path) == ["paid.v1.json", "paid.v2.json"]
    assert json.loads((tmp_path / "paid.v1.json").read_text())["data"] == {"amount": 100}
    golden(newer, tmp_path)


def test_an_upcaster_that_changed_is_noticed(tmp_path: Path) -> None:
    golden(App("shop", Paid), tmp_path, write=True)
    golden(App("shop", PaidInCurrency, add_currency), tmp_path, write=True)
    other = upcast("paid", from_version=1)(lambda data: data | {"currency": "USD"})
    with pytest.raises(AssertionError, match="EUR"):
        golden(App("shop", PaidInCurrency, other), tmp_path)


def test_a_shape_that_changed_without_a_version_is_never_accepted(tmp_path: Path) -> None:
    golden(App("shop", Paid), tmp_path, write=True)

    class Shrunk(Event, name="paid"):
        other: int = 0

    for write in (False, True):
        with pytest.raises(AssertionError, match="the stored 'amount' would be lost"):
            golden(App("shop", Shrunk), tmp_path, write=write)


def test_a_new_field_with_a_default_is_accepted_when_told(tmp_path: Path) -> None:
    golden(App("shop", Paid), tmp_path, write=True)

    class Grown(Event, name="paid"):
        amount: int
        note: str = ""

    with pytest.raises(AssertionError, match="read differently"):
        golden(App("shop", Grown), tmp_path)
    golden(App("shop", Grown), tmp_path, write=True)
    golden(App("shop", Grown), tmp_path)


def test_records_that_can_no_longer_be_read(tmp_path: Path) -> None:
    golden(App("shop", Paid), tmp_path, write=True)

    class Renamed(Event):
        amount: int

    with pytest.raises(AssertionError, match=r"paid\.v1\.json can no longer be read"):
        golden(App("shop", Renamed), tmp_path, write=True)


def test_files_that_are_no_records(tmp_path: Path) -> None:
    (tmp_path / "noise.json").write_text("[]")
    with pytest.raises(AssertionError, match=r"noise\.json is no golden record"):
        golden(App("shop"), tmp_path)


class Patterned(Event):
    code: Annotated[str, Meta(pattern="^[A-Z]{2}[0-9]+$")]


@event(name="model")
class Model(pydantic.BaseModel):
    model_config = pydantic.ConfigDict(frozen=True)
    a: int


@pytest.mark.parametrize(("cls", "example"), [(Patterned, Patterned(code="AB1")), (Model, Model(a=1))])
def test_where_no_example_can_be_made_one_is_asked_for(tmp_path: Path, cls: type, example: object) -> None:
    with pytest.raises(AssertionError, match=rf"Give one: golden\(\.\.\., examples=\[{cls.__name__}"):
        golden(App("shop", cls), tmp_path, write=True)
    golden(App("shop", cls), tmp_path, examples=[example], write=True)
    golden(App("shop", cls), tmp_path)


class Colour(Enum):
    RED = "red"


class Inner(msgspec.Struct, tag="inner"):
    a: int


class Other(msgspec.Struct, tag="other"):
    a: int


class Pair(NamedTuple):
    a: int
    b: str


class Options(TypedDict):
    a: bool


@dataclass(frozen=True)
class Point:
    x: float


class Node(msgspec.Struct):
    next: "Node | None" = None


class Rich(Event):
    a: Annotated[int, Meta(lt=3)]
    b: Annotated[float, Meta(multiple_of=0.5)]
    c: Annotated[str, Meta(min_length=6)]
    d: Annotated[str, Meta(max_length=2)]
    e: Annotated[list[int], Meta(min_length=2)]
    f: dict[str, Decimal]
    g: tuple[int, str]
    h: tuple[int, ...]
    i: set[str]
    j: frozenset[int]
    k: Colour
    l: Literal["x", "y"]  # noqa: E741 (one letter each)
    m: Inner | Other
    n: Pair
    o: Options
    p: Point
    q: Node
    r: None
    s: bool
    t: bytes
    u: date
    v: time
    w: datetime
    x: timedelta
    y: UUID
    z: Any
    aa: Annotated[int, Meta(gt=10, lt=12)] | None


def test_examples_of_every_type_decode() -> None:
    data = example_data(Rich)
    found = msgspec.convert(data, Rich)
    assert (found.a, found.b, found.c, found.d, found.e) == (2, 0.5, "textxx", "te", [7, 7])
    assert (found.m, found.k, found.aa) == (Inner(a=7), Colour.RED, 11)
    assert example_data(Rich) == data


class Loop(msgspec.Struct):
    next: "Loop"


def test_examples_need_an_end() -> None:
    with pytest.raises(TypeError, match="no example is known"):
        example_data(Loop)
    with pytest.raises(TypeError, match="has no fields"):
        example_data(list[int])


def test_a_union_takes_what_can_be_made() -> None:
    class Either(msgspec.Struct):
        a: Loop | list[Loop] | None

    assert example_data(Either) == {"a": None}
