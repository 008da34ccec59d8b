"""Whatever an event's fields hold: it is read back equal, or refused; upcasting and replay lose nothing."""

import math
import uuid
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from everfold.codec.pipeline import Codec
from everfold.errors import InvalidEvent, UndecodableRecord
from everfold.log.record import Record
from tests.codec.stored_events import (
    EVENTS,
    UPCASTERS,
    AccountOpened,
    Address,
    AttrsPaid,
    Card,
    Cash,
    Colour,
    DataclassPaid,
    EverythingHappened,
    Level,
    Money,
    Node,
    Point,
    PriceChanged,
    PydanticLine,
    PydanticPaid,
    StudentEnrolled,
)

CODEC = Codec(EVENTS, upcasters=UPCASTERS, new_id=lambda: "id")
QUICK = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])

text = st.text(max_size=20)
names = st.text(
    st.characters(min_codepoint=33, max_codepoint=0x2000, exclude_categories=["C", "Z"]), min_size=1, max_size=20
)
whole = st.integers(-(2**63), 2**64 - 1)
real = st.floats(allow_nan=False, allow_infinity=False)
amount = st.decimals(allow_nan=False, allow_infinity=False)
zones = st.integers(-23 * 60, 23 * 60).map(lambda minutes: timezone(timedelta(minutes=minutes))) | st.just(UTC)
moments = st.datetimes(min_value=datetime(2, 1, 1), max_value=datetime(9998, 1, 1), timezones=zones)  # noqa: DTZ001
money = st.builds(Money, amount, text)
nodes = st.recursive(
    st.builds(Node, text), lambda inner: st.builds(Node, text, st.lists(inner, max_size=3)), max_leaves=6
)
json_values: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | whole | real | text,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(text, inner, max_size=3),
    max_leaves=8,
)
addresses = st.builds(Address, text, st.none() | text)

EVERYTHING = st.builds(
    EverythingHappened,
    text=text,
    flag=st.booleans(),
    whole=whole,
    real=real,
    amount=amount,
    id=st.uuids(),
    day=st.dates(),
    moment=moments,
    clock=st.times(timezones=zones),
    span=st.timedeltas(),
    blob=st.binary(max_size=20),
    colour=st.sampled_from(Colour),
    level=st.sampled_from(Level),
    word=st.sampled_from(["yes", "no"]),
    maybe=st.none() | whole,
    either=whole | text,
    money=money,
    payment=st.builds(Card, text) | st.builds(Cash, whole),
    point=st.builds(Point, real, real),
    tree=nodes,
    address=addresses,
    texts=st.lists(text, max_size=4),
    numbers=st.lists(whole, max_size=4).map(tuple),
    pair=st.tuples(whole, text),
    days=st.sets(st.dates(), max_size=3),
    prices=st.dictionaries(text, amount, max_size=3),
    by_number=st.dictionaries(st.integers(-(2**63), 2**63 - 1), text, max_size=3),
    sequence=st.lists(whole, max_size=3),
    anything=json_values,
    limited=st.integers(0, 100),
)
OTHERS = st.one_of(
    st.builds(StudentEnrolled, course_id=names, student_id=st.uuids(), also=st.lists(names, max_size=3).map(tuple)),
    st.builds(PriceChanged, old=amount, new=amount, reason=text),
    st.builds(DataclassPaid, names, money, st.none() | addresses, st.none() | moments),
    st.builds(AttrsPaid, names, money, st.lists(whole, max_size=3)),
    st.builds(
        PydanticPaid,
        order_id=names,
        lines=st.lists(st.builds(PydanticLine, product=text, price=amount), max_size=2),
        at=moments,
        note=st.none() | text,
    ),
)


def read_again(event: object) -> tuple[object, ...]:
    new = CODEC.encode(event)
    return CODEC.decode(Record(1, "s-1", 1, new.type, new.schema_version, new.id, 0, new.data, tags=new.tags))


@QUICK
@given(EVERYTHING)
def test_every_type_of_field_survives(event: object) -> None:
    assert read_again(event) == (event,)


@QUICK
@given(OTHERS)
def test_every_kind_of_class_survives(event: object) -> None:
    assert read_again(event) == (event,)


anything = st.recursive(
    st.one_of(
        st.none(), st.booleans(), st.integers(), st.floats(), st.text(st.characters()), st.binary(max_size=4),
        st.decimals(), st.datetimes(), st.times(), st.timedeltas(), st.uuids(), st.just(object()), st.just(math),
    ),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text() | st.integers(), inner, max_size=3),
    max_leaves=6,
)  # fmt: skip
FIELDS = ("text", "whole", "real", "amount", "moment", "money", "tree", "texts", "prices", "anything", "payment")


@settings(QUICK, max_examples=150)
@given(EVERYTHING, st.sampled_from(FIELDS), anything)
def test_any_value_in_any_field_survives_or_is_refused(event: Any, field: str, value: Any) -> None:
    fields: dict[str, Any] = {name: getattr(event, name) for name in event.__struct_fields__} | {field: value}
    changed = EverythingHappened(**fields)
    try:
        again = read_again(changed)
    except InvalidEvent:
        return
    assert again == (changed,)


@QUICK
@given(st.text(max_size=30))
def test_tags_are_stored_or_refused(value: str) -> None:
    event = StudentEnrolled(course_id=value, student_id=uuid.UUID(int=1))
    try:
        assert CODEC.encode(event).tags[0] == f"course:{value}"
    except InvalidEvent:
        assert not value or not value.isprintable() or len(value) > 390


@QUICK
@given(json_values, st.integers(1, 2))
def test_whatever_is_stored_is_read_or_reported(data: Any, version: int) -> None:
    stored = CODEC.encode(AccountOpened(owner="Ann", currency="EUR")).data
    for text in (stored[: len(stored) // 2], str(data), stored):
        record = Record(3, "s-1", 1, "account-opened", version, "id", 0, text)
        try:
            events = CODEC.decode(record)
        except UndecodableRecord as error:
            assert error.position == 3
        else:
            assert all(isinstance(event, AccountOpened) for event in events)
