"""Upcasters: declared, checked against each other and the registry at start, and run in chains."""

import copy
from collections.abc import Sequence
from typing import Any

import pytest

from everfold import Data, Event, Shape, merge, upcast
from everfold.codec.pipeline import Codec
from everfold.codec.upcaster import Merger, Upcaster
from everfold.errors import DefinitionError, UndecodableRecord
from everfold.log.record import Record


class Opened(Event, name="opened", version=3):
    owner: str
    currency: str


class Noted(Event, name="noted"):
    text: str


class Tagged(Event, name="tagged"):
    labels: list[str]


class Sent(Event, name="sent"):
    cents: int


class Paid(Event, name="paid"):
    fee: int


class Transferred(Event, name="transferred", version=2):
    cents: int
    fee: int
    currency: str


@upcast("opened", from_version=1)
def one_to_two(data: Data) -> Data:
    data["owner"] = data.pop("name")
    return data


@upcast("opened", from_version=2)
def two_to_three(data: Data) -> Data:
    return data | {"currency": "EUR"}


OPENED = (one_to_two, two_to_three)


@upcast("transferred", from_version=1)
def transferred_in(data: Data) -> Data:
    return data | {"currency": "EUR"}


@merge(("sent", 1), ("paid", 1), into=("transferred", 1))
def transferring(sent: Data, paid: Data) -> Data:
    return sent | paid


def codec(events: Sequence[type], *upcasters: Upcaster | Merger) -> Codec:
    return Codec(events, upcasters=upcasters, new_id=lambda: "id")


def record(type: str, version: int, data: str, position: int = 1, **changes: Any) -> Record:
    fields: dict[str, Any] = {"stream": "s-1", "version": position, "recorded": 5, "id": str(position)} | changes
    return Record(position=position, type=type, schema_version=version, data=data, **fields)


def events(codec: Codec, *records: Record) -> list[object]:
    return [event for event, _ in codec.pairs(records)]


# --- what upcasters do


def test_upcasters_run_in_chains() -> None:
    opened = codec([Opened], *OPENED)
    for version, data in ((1, '{"name":"Ann"}'), (2, '{"owner":"Ann"}'), (3, '{"owner":"Ann","currency":"EUR"}')):
        assert opened.decode(record("opened", version, data)) == (Opened(owner="Ann", currency="EUR"),)


def test_the_stored_record_is_not_touched_and_nothing_is_upcast_twice() -> None:
    calls: list[Data] = []

    @upcast("noted", from_version=1)
    def note(data: Data) -> Data:
        calls.append(copy.deepcopy(data))
        data["text"] += "!"
        return data

    class NotedAgain(Event, name="noted", version=2):
        text: str

    noted = codec([NotedAgain], note)
    stored = record("noted", 1, '{"text":"x"}')
    assert events(noted, stored) == events(noted, stored) == [NotedAgain(text="x!")]
    assert stored.data == '{"text":"x"}'
    assert calls == [{"text": "x"}, {"text": "x"}]
    assert events(noted, record("noted", 2, '{"text":"x"}')) == [NotedAgain(text="x")]


def test_a_type_can_be_renamed() -> None:
    @upcast("remarked", from_version=1, into=[("noted", 1)])
    def by_data(data: Data) -> Data:
        return {"text": data["remark"]}

    @upcast("said", from_version=1, into=[("noted", 1)])
    def by_shape(data: Data) -> Shape:
        return Shape("noted", 1, {"text": data["word"]})

    noted = codec([Noted], by_data, by_shape)
    assert events(noted, record("remarked", 1, '{"remark":"a"}'), record("said", 1, '{"word":"b"}')) == [
        Noted(text="a"),
        Noted(text="b"),
    ]


def test_an_event_can_be_split_into_parts_that_share_nothing() -> None:
    @upcast("both", from_version=1, into=[("tagged", 1), ("plain", 1)])
    def split(data: Data) -> list[Shape]:
        return [Shape("plain", 1, data), Shape("tagged", 1, data)]

    @upcast("plain", from_version=1, into=[("tagged", 1)])
    def to_tagged(data: Data) -> Data:
        data["labels"].append("plain")
        return data

    stored = record("both", 1, '{"labels":["x"]}')
    pairs = list(codec([Tagged], split, to_tagged).pairs([stored]))
    assert pairs == [(Tagged(labels=["x", "plain"]), stored), (Tagged(labels=["x"]), stored)]


def test_an_event_can_be_dropped_always_or_sometimes() -> None:
    @upcast("cleared", from_version=1, into=[])
    def always(data: Data) -> None:
        return None

    @upcast("maybe", from_version=1, into=[("noted", 1)])
    def sometimes(data: Data) -> Data | None:
        return data if data["text"] else None

    noted = codec([Noted], always, sometimes)
    stored = [record("cleared", 1, "{}"), record("maybe", 1, '{"text":""}'), record("maybe", 1, '{"text":"x"}')]
    assert events(noted, *stored) == [Noted(text="x")]


SENT, PAID = record("sent", 1, '{"cents":5}', 1), record("paid", 1, '{"fee":1}', 2)
MERGED = Transferred(cents=5, fee=1, currency="EUR")


def test_two_neighbours_of_one_append_can_be_merged_and_their_result_upcast() -> None:
    money = codec([Sent, Paid, Transferred], transferring, transferred_in)
    last = record("sent", 1, '{"cents":7}', 3)
    assert list(money.pairs([SENT, PAID, last])) == [(MERGED, PAID), (Sent(cents=7), last)]
    assert money.ends_in_merge(SENT)
    assert not money.ends_in_merge(PAID)


@pytest.mark.parametrize(
    "partner",
    [
        record("paid", 1, '{"fee":1}', 3),
        record("paid", 1, '{"fee":1}', 2, stream="s-2"),
        record("paid", 1, '{"fee":1}', 2, recorded=6),
        record("paid", 1, '{"fee":1}', 2, metadata_json='{"causation_id":"other"}'),
        record("tagged", 1, '{"labels":[]}', 2),
    ],
    ids=["not next", "other stream", "other moment", "other command", "other type"],
)
def test_only_neighbours_of_one_append_are_merged(partner: Record) -> None:
    money = codec([Sent, Paid, Tagged, Transferred], transferring, transferred_in)
    assert [type(event) for event in events(money, SENT, partner)] == [
        Sent,
        Paid if partner.type == "paid" else Tagged,
    ]


# --- what is refused at start


def test_an_old_version_without_upcaster_is_refused() -> None:
    with pytest.raises(
        DefinitionError,
        match=r"Opened is at version 3, but there is no upcaster from 'opened' version 1. Write one",
    ):
        codec([Opened], two_to_three)


def test_a_missing_link_of_a_retired_type_is_refused() -> None:
    @upcast("gone", from_version=2, into=[])
    def gone(data: Data) -> None: ...

    with pytest.raises(DefinitionError, match="'gone' is at version 2, but there is no upcaster from 'gone' version 1"):
        codec([], gone)


def test_a_chain_that_ends_nowhere_is_refused() -> None:
    @upcast("old", from_version=1, into=[("noted", 2)])
    def lost(data: Data) -> Data:
        return data

    with pytest.raises(
        DefinitionError, match=r"lead to 'noted' version 2, which is no registered event. Give the event"
    ):
        codec([Noted], lost)


def test_upcasters_in_a_circle_are_refused() -> None:
    @upcast("a", from_version=1, into=[("b", 1)])
    def there(data: Data) -> Data:
        return data

    @upcast("b", from_version=1, into=[("a", 1)])
    def back(data: Data) -> Data:
        return data

    with pytest.raises(DefinitionError, match="The upcasters from 'a' version 1 go round in a circle"):
        codec([], there, back)


def test_two_upcasters_from_one_version_are_refused() -> None:
    with pytest.raises(DefinitionError, match=r"Two upcasters start from 'opened' version 1. Keep one"):
        codec([Opened], *OPENED, one_to_two)
    with pytest.raises(DefinitionError, match="Two upcasters start from 'sent' version 1"):
        codec([Sent, Paid, Transferred], transferring, transferring, transferred_in)


def test_an_upcaster_from_the_current_version_is_refused_because_it_would_never_run() -> None:
    @upcast("noted", from_version=1, into=[("tagged", 1)])
    def never(data: Data) -> Data:
        return data

    with pytest.raises(
        DefinitionError, match=r"'never' starts from 'noted' version 1, the current version .* would never"
    ):
        codec([Noted, Tagged], never)


@pytest.mark.parametrize("missing", [Sent, Paid, Transferred])
def test_all_parts_of_a_merger_must_be_readable(missing: type) -> None:
    registered: list[type] = [cls for cls in (Sent, Paid, Transferred) if cls is not missing]
    extra = [transferred_in] if Transferred in registered else []
    with pytest.raises(DefinitionError, match="which is no registered event"):
        codec(registered, transferring, *extra)


def test_mergers_that_overlap_are_refused() -> None:
    @merge(("paid", 1), ("noted", 1), into=("transferred", 1))
    def overlapping(one: Data, two: Data) -> Data:
        return one

    @merge(("paid", 1), ("paid", 1), into=("transferred", 1))
    def itself(one: Data, two: Data) -> Data:
        return one

    for merger in (overlapping, itself):
        with pytest.raises(DefinitionError, match="ends with 'paid' version 1, which begins another pair"):
            codec([Sent, Paid, Noted, Transferred], transferring, merger, transferred_in)


@pytest.mark.parametrize("bad", [("x",), "x", ("x", 0), ("x", "1"), (5, 1), ("x", True), None])
def test_names_and_versions_are_checked_when_declared(bad: Any) -> None:
    with pytest.raises(DefinitionError, match="Write a permanent name and a version from 1"):
        upcast("x", from_version=1, into=[bad])
    with pytest.raises(DefinitionError, match="Write a permanent name and a version from 1"):
        merge(bad, ("y", 1), into=("z", 1))
    with pytest.raises(DefinitionError, match="An upcaster names"):
        upcast("x", from_version=0)


# --- what is refused when a record is read


def returning(result: Any, **into: Any) -> Upcaster:
    def faulty(data: Data) -> Any:
        return result

    return upcast("old", from_version=1, **({"into": [("noted", 1), ("tagged", 1)]} | into))(faulty)


@pytest.mark.parametrize(
    ("upcaster", "problem"),
    [
        (
            returning(None, into=None),
            "it returned nothing. Return the data; to drop the event, declare that with into=[]",
        ),
        (returning({"text": "x"}), "it returned a dict. Return the fields as a dict, or Shapes as into= says"),
        (returning(5), "it returned a int"),
        (returning([{"text": "x"}]), "it returned a list"),
        (returning(Shape("other", 1, {})), "it returned 'other' version 1, which its into= does not name"),
    ],
)
def test_an_upcaster_that_returns_what_it_may_not_is_reported_with_the_position(
    upcaster: Upcaster, problem: str
) -> None:
    class Old(Event, name="old", version=2):
        text: str = ""

    with pytest.raises(UndecodableRecord) as caught:
        codec([Noted, Tagged, *([Old] if upcaster.into == (("old", 2),) else [])], upcaster).decode(
            record("old", 1, "{}", 9)
        )
    assert f"the upcaster 'faulty' failed (ValueError: {problem}" in str(caught.value)
    assert caught.value.position == 9


def test_a_failing_upcaster_is_named() -> None:
    with pytest.raises(UndecodableRecord, match=r"position 4 .* the upcaster 'one_to_two' failed .KeyError: 'name'"):
        codec([Opened], *OPENED).decode(record("opened", 1, "{}", 4))


def test_a_failing_merger_is_named() -> None:
    @merge(("sent", 1), ("paid", 1), into=("transferred", 2))
    def faulty(one: Data, two: Data) -> Data:
        return one["missing"]  # type: ignore[no-any-return] # fails before it returns

    nothing: Any = merge(("sent", 1), ("paid", 1), into=("transferred", 2))(lambda one, two: None)  # type: ignore[arg-type, return-value] # pyright: ignore
    money: list[type] = [Sent, Paid, Transferred]
    with pytest.raises(UndecodableRecord, match=r"position 2 .* the upcaster 'faulty' failed .KeyError: 'missing'"):
        events(codec(money, faulty, transferred_in), SENT, PAID)
    with pytest.raises(UndecodableRecord, match=r"it returned a NoneType. Return the fields of the event as a dict"):
        events(codec(money, nothing, transferred_in), SENT, PAID)


def test_damaged_parts_of_a_pair_are_located() -> None:
    money = codec([Sent, Paid, Transferred], transferring, transferred_in)
    with pytest.raises(UndecodableRecord, match="position 1"):
        events(money, record("sent", 1, "{", 1), PAID)
    with pytest.raises(UndecodableRecord, match="position 2"):
        events(money, SENT, record("paid", 1, "[]", 2))


def test_what_an_upcaster_returns_must_fit_the_event() -> None:
    @upcast("old", from_version=1, into=[("noted", 1)])
    def wrong(data: Data) -> Data:
        return {"text": 5}

    with pytest.raises(UndecodableRecord, match=r"Expected `str`, got `int` - at `\$.text`"):
        codec([Noted], wrong).decode(record("old", 1, "{}"))
