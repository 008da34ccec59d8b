"""Event classes of every kind, with every type of field that can be stored. Their golden records are frozen."""

import enum
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta, timezone
from decimal import Decimal
from typing import Annotated, Any, Generic, Literal, TypeVar

import attrs
import msgspec
import pydantic

from everfold import Data, Event, Shape, Tag, event, merge, upcast

T = TypeVar("T")
CourseId = Annotated[str, Tag("course")]
StudentId = Annotated[uuid.UUID, Tag("student")]


class Colour(enum.Enum):
    RED = "red"
    GREEN = "green"


class Level(enum.IntEnum):
    LOW = 1
    HIGH = 2


class Money(msgspec.Struct, frozen=True):
    amount: Decimal
    currency: str = "EUR"


class Card(msgspec.Struct, frozen=True, tag="card"):
    number: str


class Cash(msgspec.Struct, frozen=True, tag="cash"):
    drawer: int


class Point(msgspec.Struct, frozen=True, array_like=True):
    x: float
    y: float


class Node(msgspec.Struct, frozen=True):
    name: str
    children: list["Node"] = []


@dataclass(frozen=True)
class Address:
    street: str
    city: str | None = None


class EverythingHappened(Event, name="everything-happened", version=1):
    text: str
    flag: bool
    whole: int
    real: float
    amount: Decimal
    id: uuid.UUID
    day: date
    moment: datetime
    clock: time
    span: timedelta
    blob: bytes
    colour: Colour
    level: Level
    word: Literal["yes", "no"]
    maybe: int | None
    either: int | str
    money: Money
    payment: Card | Cash
    point: Point
    tree: Node
    address: Address
    texts: list[str]
    numbers: tuple[int, ...]
    pair: tuple[int, str]
    days: set[date]
    prices: dict[str, Decimal]
    by_number: dict[int, str]
    sequence: Sequence[int]
    anything: Any
    limited: Annotated[int, msgspec.Meta(ge=0, le=100)] = 7


class StudentEnrolled(Event):
    course_id: CourseId
    student_id: StudentId
    also: tuple[CourseId, ...] = ()


class Renamed(Event, rename="camel"):
    first_name: str
    last_name: str | None = None


class NothingElse(Event):
    pass


class Changed(Event, Generic[T]):
    old: T
    new: T


class PriceChanged(Changed[Decimal]):
    reason: str = ""


@event(name="dataclass-paid")
@dataclass(frozen=True)
class DataclassPaid:
    order_id: Annotated[str, Tag("order")]
    price: Money
    address: Address | None = None
    at: datetime | None = None


@event(name="attrs-paid")
@attrs.frozen
class AttrsPaid:
    order_id: Annotated[str, Tag("order")]
    price: Money
    numbers: list[int] = attrs.field(factory=list[int])


class PydanticLine(pydantic.BaseModel, frozen=True):
    product: str
    price: Decimal


@event(name="pydantic-paid")
class PydanticPaid(pydantic.BaseModel, frozen=True):
    order_id: Annotated[str, Tag("order")]
    lines: list[PydanticLine]
    at: datetime
    note: str | None = None


@event(name="struct-paid")
class StructPaid(msgspec.Struct, frozen=True):
    amount: int


class AccountOpened(Event, version=3):
    """Version 1 had ``name``, version 2 ``owner`` and no currency."""

    owner: str
    currency: str


class MoneyMoved(Event):
    cents: int


class FeeCharged(Event):
    cents: int


class FundsTransferred(Event):
    cents: int
    fee: int


class MoneySent(Event):
    cents: int


class SendingPaid(Event):
    fee: int


@upcast("account-opened", from_version=1)
def name_became_owner(data: Data) -> Data:
    data["owner"] = data.pop("name")
    return data


@upcast("account-opened", from_version=2)
def currency_came(data: Data) -> Data:
    return data | {"currency": "EUR"}


@upcast("customer-renamed", from_version=1, into=[("renamed", 1)])
def type_was_renamed(data: Data) -> Data:
    return {"firstName": data["name"]}


@upcast("money-moved-with-fee", from_version=1, into=[("money-moved", 1), ("fee-charged", 1)])
def event_was_split(data: Data) -> list[Shape]:
    fee = data.pop("fee")
    return [Shape("money-moved", 1, data), Shape("fee-charged", 1, {"cents": fee})]


@upcast("cache-cleared", from_version=1, into=[])
def event_was_dropped(data: Data) -> None:
    return None


@merge(("money-sent", 1), ("sending-paid", 1), into=("funds-transferred", 1))
def events_were_merged(sent: Data, paid: Data) -> Data:
    return sent | paid


EVENTS: tuple[type, ...] = (
    EverythingHappened,
    StudentEnrolled,
    Renamed,
    NothingElse,
    PriceChanged,
    DataclassPaid,
    AttrsPaid,
    PydanticPaid,
    StructPaid,
    AccountOpened,
    MoneyMoved,
    FeeCharged,
    FundsTransferred,
    MoneySent,
    SendingPaid,
)
UPCASTERS = (
    name_became_owner,
    currency_came,
    type_was_renamed,
    event_was_split,
    event_was_dropped,
    events_were_merged,
)

EVERYTHING = EverythingHappened(
    text='Grüße, "quoted" \\ 🎉',
    flag=True,
    whole=-(2**63),
    real=0.1,
    amount=Decimal("12.340"),
    id=uuid.UUID("0190a8e2-7f5c-7000-8000-000000000001"),
    day=date(2024, 2, 29),
    moment=datetime(2024, 2, 29, 12, 30, 0, 123456, UTC),
    clock=time(12, 30, tzinfo=UTC),
    span=timedelta(days=1, seconds=2, microseconds=3),
    blob=b"\x00\xff",
    colour=Colour.RED,
    level=Level.HIGH,
    word="yes",
    maybe=None,
    either="text",
    money=Money(Decimal("1.50")),
    payment=Card("4111"),
    point=Point(1.5, -2.0),
    tree=Node("root", [Node("leaf")]),
    address=Address("Main Street"),
    texts=["a", "b"],
    numbers=(1, 2, 3),
    pair=(1, "one"),
    days={date(2024, 1, 1)},
    prices={"book": Decimal("9.99")},
    by_number={1: "one"},
    sequence=[1, 2],
    anything={"free": [1, 2.5, None, True, "x"]},
)

CURRENT: dict[str, object] = {
    "everything": EVERYTHING,
    "tags": StudentEnrolled(course_id="c1", student_id=uuid.UUID(int=5), also=("c2", "c1")),
    "renamed-fields": Renamed(first_name="Ann"),
    "no-fields": NothingElse(),
    "generic-base": PriceChanged(old=Decimal(1), new=Decimal("1.10")),
    "dataclass": DataclassPaid("o1", Money(Decimal(3)), Address("Lane", "Bath"), datetime(2024, 1, 1, tzinfo=UTC)),
    "attrs": AttrsPaid("o1", Money(Decimal(3), "GBP"), [1]),
    "pydantic": PydanticPaid(
        order_id="o1",
        lines=[PydanticLine(product="book", price=Decimal("9.99"))],
        at=datetime(2024, 1, 1, 9, tzinfo=timezone(timedelta(hours=2))),
    ),
    "struct": StructPaid(5),
    "newest-version": AccountOpened(owner="Ann", currency="GBP"),
}
"""Golden records that are written and read: file name -> event."""

OLD: dict[str, tuple[object, ...]] = {
    "old-version-1": (AccountOpened(owner="Ann", currency="EUR"),),
    "old-version-2": (AccountOpened(owner="Ann", currency="EUR"),),
    "old-name": (Renamed(first_name="Ann"),),
    "old-split": (MoneyMoved(cents=100), FeeCharged(cents=1)),
    "old-dropped": (),
}
"""Golden records that are only read any more: file name -> what they mean today."""
