"""What is written is read back as it was, or it is refused with a sentence; nothing changes silently."""

import math
import zoneinfo
from dataclasses import dataclass
from datetime import UTC, date, datetime, time
from decimal import Decimal
from typing import Annotated, Any

import attrs
import msgspec
import pydantic
import pytest

from everfold import Event, Tag, event
from everfold.codec.pipeline import Codec
from everfold.errors import InvalidEvent, PayloadTooLarge
from tests.codec.stored_events import CURRENT, EVENTS, EVERYTHING, UPCASTERS, EverythingHappened, Money, Node

BERLIN = zoneinfo.ZoneInfo("Europe/Berlin")
NAIVE = datetime(2024, 1, 1)  # noqa: DTZ001 (on purpose)


class Stamp(datetime):
    """A datetime of another library."""


class Anything(Event):
    value: Any


class Special(msgspec.Struct, frozen=True):
    amount: Decimal
    currency: str = "EUR"
    more: int = 0


class ById(msgspec.Struct, frozen=True, eq=False):
    number: float


class Wrapped(Event):
    by_id: ById
    moments: dict[datetime, list[time]] = msgspec.field(default_factory=dict[datetime, list[time]])
    numbers: tuple[int | None, ...] = ()
    maybe: float | None = None


class OneNumber(Event):
    number: int


def codec_of(*events: type, limit: int = 1024 * 1024) -> Codec:
    return Codec(events, new_id=lambda: "id", max_event_bytes=limit)


CODEC = Codec((*EVENTS, Anything, Wrapped, OneNumber), upcasters=UPCASTERS, new_id=lambda: "id")


def everything(**changes: Any) -> EverythingHappened:
    return msgspec.structs.replace(EVERYTHING, **changes)


def nested(depth: int) -> list[Any]:
    value: list[Any] = []
    for _ in range(depth):
        value = [value]
    return value


@pytest.mark.parametrize(
    ("event", "problem"),
    [
        # numbers
        (everything(real=math.nan), "nan is not a number that JSON can hold - at `$.real`"),
        (everything(real=math.inf), "inf is not a number that JSON can hold"),
        (everything(amount=Decimal("NaN")), "NaN is not a number that JSON can hold - at `$.amount`"),
        (everything(amount=Decimal("sNaN")), "sNaN is not a number that JSON can hold"),
        (everything(prices={"x": Decimal("-Infinity")}), "-Infinity is not a number .* at `$.prices['x']`"),
        (Wrapped(by_id=ById(1.0), maybe=math.nan), "nan is not a number that JSON can hold - at `$.maybe`"),
        (Wrapped(by_id=ById(math.inf)), "inf is not a number that JSON can hold - at `$.by_id.number`"),
        (Anything(value={"deep": [1, -math.inf]}), "-inf is not a number .* at `$.value['deep'][1]`"),
        (everything(whole=2**64), "the whole number has more than 64 bits - at `$.whole`. Store it as text"),
        (everything(whole=-(2**63) - 1), "more than 64 bits"),
        (everything(maybe=2**80), "more than 64 bits - at `$.maybe`"),
        (OneNumber(number=2**64), "more than 64 bits - at `$.number`"),
        (Wrapped(by_id=ById(1.0), numbers=(1, None, 2**64)), "more than 64 bits - at `$.numbers[2]`"),
        (Anything(value=2**70), "more than 64 bits - at `$.value`"),
        (everything(whole=10**5000), "cannot be stored"),
        (everything(limited=101), "Expected `int` <= 100"),
        # times
        (
            everything(moment=NAIVE),
            "datetime.datetime(2024, 1, 1, 0, 0) has no time zone - at `$.moment`. Use an aware",
        ),
        (everything(moment=datetime(1890, 1, 1, tzinfo=BERLIN)), "would be read back as datetime.datetime(1890"),
        (everything(moment=Stamp(2024, 1, 1)), "Encoding objects of type Stamp is unsupported"),
        (everything(clock=time(1)), "has no time zone - at `$.clock`"),
        (Wrapped(by_id=ById(1.0), moments={NAIVE: []}), "has no time zone - at `$.moments[datetime"),
        (Wrapped(by_id=ById(1.0), moments={datetime(2024, 1, 1, tzinfo=UTC): [time(1)]}), "has no time zone"),
        (Anything(value=NAIVE), "has no time zone"),
        # text
        (everything(text="\ud800"), "surrogates not allowed"),
        (everything(prices={"\udfff": Decimal(1)}), "surrogates not allowed"),
        # values that are not of their field's type
        (everything(text=5), "Expected `str`, got `int` - at `$.text`"),
        (everything(text=None), "Expected `str`, got `null`"),
        (everything(flag=1), "Expected `bool`, got `int`"),
        (everything(whole="5"), "Expected `int`, got `str`"),
        (everything(whole=True), "Expected `int`, got `bool`"),
        (everything(amount="1.5"), "'1.5' (str) would be read back as Decimal('1.5') (Decimal) - at `$.amount`"),
        (everything(amount=0.1), "0.1 (float) would be read back as Decimal('0.1') (Decimal)"),
        (everything(id=str(EVERYTHING.id)), "(str) would be read back as UUID"),
        (everything(day="2024-02-29"), "(str) would be read back as datetime.date"),
        (everything(day=datetime(2024, 2, 29, tzinfo=UTC)), "Invalid RFC3339 encoded date"),
        (everything(colour="red"), "'red' (str) would be read back as <Colour.RED"),
        (everything(blob="AP8="), "would be read back as b"),
        (everything(span="P1D"), "'P1D' (str) would be read back as datetime.timedelta"),
        (everything(word="maybe"), "Invalid enum value 'maybe'"),
        (everything(numbers=[1, "2"]), "Expected `int`, got `str` - at `$.numbers[1]`"),
        (everything(texts="ab"), "Expected `array`, got `str`"),
        (everything(money={"amount": "1.5"}), "would be read back as Money"),
        (everything(money=Special(Decimal(1))), "(Special) would be read back as Money"),
        (everything(by_number={"1": "one"}), "would be read back as {1: 'one'}"),
        (everything(days=["2024-01-01"]), "would be read back as {datetime.date(2024, 1, 1)} (set)"),
        (everything(days={"2024-01-01"}), "would be read back as {datetime.date(2024, 1, 1)} (set)"),
        (everything(payment=Money(Decimal(1))), "Object missing required field `type`"),
        # values that JSON has no form for
        (Anything(value=Decimal("1.5")), "Decimal('1.5') (Decimal) would be read back as '1.5' (str) - at `$.value`"),
        (Anything(value={1, 2}), "would be read back as [1, 2] (list)"),
        (Anything(value={1: "a"}), "would be read back as {'1': 'a'}"),
        (Anything(value={1: "a", "1": "b"}), "would be read back as {'1': 'b'}"),
        (Anything(value={"x": (date(2024, 1, 1),)}), "(date) would be read back as '2024-01-01' (str)"),
        (Anything(value=object()), "Encoding objects of type object is unsupported"),
        (Anything(value={(1, 2): 3}), "Only dicts with str-like or number-like keys"),
        (Anything(value=nested(100_000)), "recursion"),
    ],
    ids=lambda value: None if isinstance(value, str) else type(value).__name__,
)
def test_what_json_would_change_is_refused(event: Any, problem: str) -> None:
    with pytest.raises(InvalidEvent) as caught:
        CODEC.encode(event)
    assert type(caught.value) is InvalidEvent
    message = str(caught.value)
    assert all(part in message for part in problem.split(".*")), message
    assert message.endswith("Mend the decision that yields it.")


def test_an_endless_value_is_refused() -> None:
    endless: list[Any] = []
    endless.append(endless)
    with pytest.raises(InvalidEvent, match="recursion"):
        CODEC.encode(Anything(value=endless))


@pytest.mark.parametrize("depth", [900, 1_000, 5_000])
def test_a_deep_value_is_stored_or_refused(depth: int) -> None:
    try:
        CODEC.encode(Anything(value=nested(depth)))
    except InvalidEvent:
        return
    node = Node("leaf")
    assert CODEC.encode(everything(tree=Node("root", [node]))).data


def test_a_half_made_event_is_refused() -> None:
    with pytest.raises(InvalidEvent):
        KINDS.encode(PydanticNoted.model_construct())
    with pytest.raises(InvalidEvent):
        KINDS.encode(PydanticNoted.model_construct(at=5, line=None, numbers=("x",)))


@pytest.mark.parametrize(
    "event",
    [
        *CURRENT.values(),
        everything(numbers=[1, 2]),  # a list for a tuple: equal in all that matters
        everything(sequence=(1, 2)),
        everything(real=1),
        everything(whole=2**64 - 1),
        everything(moment=datetime(2024, 6, 1, 12, tzinfo=BERLIN)),
        everything(moment=datetime(2024, 10, 27, 2, 30, fold=1, tzinfo=BERLIN)),
        everything(prices={}, days=set[date](), tree=Node("x" * 1000)),
        Wrapped(by_id=ById(1.0), moments={datetime(2024, 1, 1, tzinfo=UTC): [time(1, tzinfo=UTC)]}),
    ],
    ids=lambda value: type(value).__name__,
)
def test_what_can_be_stored_is_stored(event: Any) -> None:
    assert CODEC.encode(event).data


def test_a_payload_over_the_limit_is_refused_with_its_size() -> None:
    with pytest.raises(PayloadTooLarge, match=r"it has 10,000,012 bytes and the limit is 1,048,576. Store a reference"):
        CODEC.encode(Anything(value="x" * 10_000_000))
    assert codec_of(Anything, limit=14).encode(Anything(value="xx")).data == '{"value":"xx"}'
    with pytest.raises(PayloadTooLarge) as caught:
        codec_of(Anything, limit=14).encode(Anything(value="xxx"))
    assert (caught.value.size, caught.value.limit, caught.value.event_type) == (15, 14, "anything")


def test_time_without_date_of_a_changing_zone_is_refused() -> None:
    clock = time(12, tzinfo=BERLIN)
    with pytest.raises(InvalidEvent, match="has no time zone"):
        CODEC.encode(everything(clock=clock))


# --- the kinds of classes


@event(name="dataclass-noted")
@dataclass(frozen=True)
class DataclassNoted:
    at: datetime | None
    line: Money | None = None
    numbers: tuple[int, ...] = ()


@event(name="attrs-noted")
@attrs.frozen(eq=False)
class AttrsNoted:
    at: datetime | None
    line: Money | None = None
    numbers: tuple[int, ...] = ()


class Line(pydantic.BaseModel, frozen=True):
    amount: Decimal


@event(name="pydantic-noted")
class PydanticNoted(pydantic.BaseModel, frozen=True):
    at: datetime | None
    line: Line | None = None
    numbers: tuple[int, ...] = ()
    secret: pydantic.SecretStr | None = None
    real: float = 0.0
    anything: Any = None
    left_out: int = pydantic.Field(default=0, exclude=True)


KINDS = codec_of(DataclassNoted, AttrsNoted, PydanticNoted)


def any_line(amount: Decimal) -> Line:
    return Line.model_construct(amount=amount)


@pytest.mark.parametrize(("cls", "line"), [(DataclassNoted, Money), (AttrsNoted, Money), (PydanticNoted, any_line)])
def test_classes_of_every_kind_are_looked_into(cls: Any, line: Any) -> None:
    noted = cls(at=datetime(2024, 1, 1, tzinfo=UTC), line=line(Decimal(1)), numbers=(1,))
    assert '"amount":"1"' in KINDS.encode(noted).data
    with pytest.raises(InvalidEvent, match="has no time zone"):
        KINDS.encode(cls(at=NAIVE))
    with pytest.raises(InvalidEvent, match="more than 64 bits"):
        KINDS.encode(cls(at=None, numbers=(2**64,)))
    with pytest.raises(InvalidEvent, match="Infinity"):
        KINDS.encode(cls(at=None, line=line(Decimal("Infinity"))))


@pytest.mark.parametrize(
    ("values", "problem"),
    [
        ({"secret": pydantic.SecretStr("x")}, r"would be read back as SecretStr\('\*+'\)"),
        ({"left_out": 5}, r"5 \(int\) would be read back as 0"),
        ({"real": math.nan}, "nan is not a number that JSON can hold"),
        ({"anything": {1, 2}}, r"\(set\) would be read back as"),
        ({"anything": object()}, "Unable to serialize unknown type"),
    ],
)
def test_what_pydantic_would_change_is_refused(values: dict[str, Any], problem: str) -> None:
    with pytest.raises(InvalidEvent, match=problem):
        KINDS.encode(PydanticNoted(at=None, **values))


def test_tags_are_read_after_the_fields_were_checked() -> None:
    class Grouped(Event):
        courses: list[Annotated[str, Tag("course")]]

    codec = codec_of(Grouped)
    wrong: Any = 5
    with pytest.raises(InvalidEvent, match="Expected `array`, got `int`"):
        codec.encode(Grouped(courses=wrong))
    with pytest.raises(InvalidEvent, match="The value of the tag 'course' is empty"):
        codec.encode(Grouped(courses=["a", ""]))
    with pytest.raises(InvalidEvent, match=r"'course:a\\nb' cannot be a tag"):
        codec.encode(Grouped(courses=["a\nb"]))
    with pytest.raises(InvalidEvent, match="cannot be a tag: 1 to 400 characters"):
        codec.encode(Grouped(courses=["x" * 400]))
    assert codec.encode(Grouped(courses=["b", "a", "b"])).tags == ("course:b", "course:a")
