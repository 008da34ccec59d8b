"""The codec: events to records and back; what cannot be read is reported with its position, never dropped."""

from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal

import pydantic
import pytest

from everfold import Data, Event, event, upcast
from everfold.codec.pipeline import Codec
from everfold.errors import InvalidEvent, UndecodableRecord, UnknownEventType
from everfold.log.record import NewRecord, Record
from tests.codec.stored_events import CURRENT, EVENTS, UPCASTERS


class Noted(Event):
    text: str
    amount: Decimal = Decimal(0)


@event(name="checked")
class Checked(pydantic.BaseModel, frozen=True):
    text: str


@event(name="picky")
@dataclass(frozen=True)
class Picky:
    text: str

    def __post_init__(self) -> None:
        if self.text == "bad":
            raise RuntimeError("I do not like it")


def record(type: str, version: int, data: str, position: int = 7) -> Record:
    return Record(position, "note-1", 1, type, version, "id", 0, data)


@pytest.fixture
def codec() -> Codec:
    ids = iter(range(1, 100))
    return Codec([Noted, Checked, Picky], new_id=lambda: f"id-{next(ids)}")


def test_an_event_becomes_a_record(codec: Codec) -> None:
    assert codec.encode(Noted(text="x"), '{"actor":"ann"}') == NewRecord(
        "noted", 1, "id-1", '{"text":"x","amount":"0"}', '{"actor":"ann"}', ()
    )
    assert codec.encode(Noted(text="x"), id="mine").id == "mine"


def test_an_event_is_given_back_as_it_will_be_read() -> None:
    class Listed(Event):
        items: list[str]

    given = Listed(items=["a"])
    record, copy = Codec([Listed], new_id=lambda: "id").encode_and_read(given, id="mine")
    given.items.append("too late")
    assert (record.id, record.data, copy) == ("mine", '{"items":["a"]}', Listed(items=["a"]))


def test_an_event_that_is_not_registered_is_refused(codec: Codec) -> None:
    class Other(Event):
        pass

    with pytest.raises(InvalidEvent, match=r"it is not registered. Evolve an aggregate by it, or give it to App"):
        codec.encode(Other())
    with pytest.raises(InvalidEvent, match="The event 'str' cannot be stored: it is not registered"):
        codec.encode("no event")


def test_records_are_read_in_order_with_their_events(codec: Codec) -> None:
    records = [record("noted", 1, '{"text":"a"}', 1), record("checked", 1, '{"text":"b"}', 2)]
    assert list(codec.pairs(records)) == [(Noted(text="a"), records[0]), (Checked(text="b"), records[1])]
    assert list(codec.pairs([])) == []
    assert not codec.ends_in_merge(records[0])


def ways_to_read(codec: Codec) -> list[Callable[[Record], object]]:
    return [codec.decode, lambda stored: list(codec.pairs([stored]))]


@pytest.mark.parametrize(
    ("stored", "problem"),
    [
        (record("noted", 1, "{"), "Input data was truncated"),
        (record("noted", 1, ""), "Input data was truncated"),
        (record("noted", 1, "\x00"), "malformed"),
        (record("noted", 1, "[1]"), "Expected `object`, got `array`"),
        (record("noted", 1, "null"), "Expected `object`, got `null`"),
        (record("noted", 1, "{}"), "Object missing required field `text`"),
        (record("noted", 1, '{"text":5}'), r"Expected `str`, got `int` - at `\$.text`"),
        (record("noted", 1, '{"text":"a","amount":"x"}'), "Invalid decimal string"),
        (record("noted", 1, '{"text":"a","x":' + "[" * 100_000), "recursion"),
        (record("checked", 1, '{"text":5}'), "Input should be a valid string"),
        (record("checked", 1, "{"), "Invalid JSON"),
        (record("picky", 1, '{"text":"bad"}'), "I do not like it"),
    ],
)
def test_a_damaged_record_is_reported_with_its_position(codec: Codec, stored: Record, problem: str) -> None:
    for read in ways_to_read(codec):
        with pytest.raises(UndecodableRecord, match=problem) as caught:
            read(stored)
        assert (caught.value.position, caught.value.stream) == (7, "note-1")
        assert (caught.value.event_type, caught.value.schema_version) == (stored.type, 1)


@pytest.mark.parametrize(("type", "version"), [("noted", 2), ("noted", 0), ("other", 1), ("", 1), ("Noted", 1)])
def test_an_unknown_type_or_version_is_reported_with_its_position(codec: Codec, type: str, version: int) -> None:
    stored = record(type, version, "{}")
    for read in ways_to_read(codec):
        with pytest.raises(UnknownEventType, match="The record at position 7") as caught:
            read(stored)
        assert (caught.value.event_type, caught.value.schema_version, caught.value.position) == (type, version, 7)


def test_a_newer_version_than_the_program_knows_is_called_so(codec: Codec) -> None:
    with pytest.raises(UnknownEventType) as caught:
        codec.decode(record("noted", 2, "{}"))
    assert caught.value.__notes__ == ["This program knows version 1: newer code wrote the record. Upgrade the program."]


def test_events_before_a_damaged_record_are_read(codec: Codec) -> None:
    pairs = codec.pairs([record("noted", 1, '{"text":"a"}', 1), record("noted", 1, "{", 2)])
    assert next(pairs)[0] == Noted(text="a")
    with pytest.raises(UndecodableRecord, match="position 2"):
        next(pairs)


def test_a_damaged_record_of_an_old_shape_is_reported_with_its_position() -> None:
    @upcast("old", from_version=1, into=[("noted", 1)])
    def rename(data: Data) -> Data:
        return data

    codec = Codec([Noted], upcasters=[rename], new_id=str)
    for data in ("{", "[]", "5"):
        with pytest.raises(UndecodableRecord, match=r"position 7 .*'old' version 1"):
            list(codec.pairs([record("old", 1, data)]))


def test_every_kind_of_event_survives_the_way_there_and_back() -> None:
    codec = Codec(EVENTS, upcasters=UPCASTERS, new_id=lambda: "id")
    for given in CURRENT.values():
        new = codec.encode(given)
        assert codec.decode(record(new.type, new.schema_version, new.data)) == (given,)
