"""The event store: appending and reading typed events without an aggregate."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from itertools import count
from typing import Annotated, Any

import pytest

from everfold import App, Conflict, Data, Event, Position, Selection, Tag, merge, metadata
from everfold.clock import SystemClock, from_micros
from everfold.errors import CodecError, InvalidEvent, InvalidName
from everfold.log.condition import Condition
from everfold.log.idempotency import Repeatable
from everfold.log.write import StreamAppend, Write
from everfold.store import event_store
from tests.app.stores import StoreMaker, contents


class Happened(Event):
    number: int


class Seen(Event):
    number: int
    by: Annotated[str, Tag("person")]


class Whole(Event):
    number: int


@merge(("half", 1), ("other-half", 1), into=("whole", 1))
def whole(half: Data, other: Data) -> Data:
    return {"number": half["number"] + other["number"]}


class Half(Event):
    number: int


class OtherHalf(Event):
    number: int


class Ticking(SystemClock):
    """A second passes whenever the time is asked for."""

    def __init__(self) -> None:
        self._seconds = count(1_700_000_000)

    def micros(self) -> int:
        return next(self._seconds) * 1_000_000


@asynccontextmanager
async def opened(store: StoreMaker, **options: Any) -> AsyncGenerator[App, None]:
    async with App("log", Happened, Seen, Whole, Half, OtherHalf, whole, store=store(), **options) as app:
        yield app


async def filled(app: App, *, streams: int = 3, each: int = 7) -> None:
    """Events numbered from 1 in the order of the log, over several streams."""
    number = count(1)
    for _ in range(each):
        for stream in range(streams):
            await app.store.append(f"s-{stream}", Happened(number=next(number)))


def numbers(records: list[object]) -> list[int]:
    return [event.number for event in records if isinstance(event, Happened)]


async def test_what_is_appended_is_read_back_with_its_record(store: StoreMaker) -> None:
    async with opened(store) as app:
        with metadata(actor="ann", shop="north"):
            appended = await app.store.append("s-1", Happened(number=1), Seen(number=2, by="bob"), expected=0)
        assert (appended.first, appended.last, appended.versions) == (1, 2, (2,))
        (first, one), (second, two) = [pair async for pair in app.store.read()]
        assert first == Happened(number=1)
        assert second == Seen(number=2, by="bob")
        assert (one.position, one.stream, one.version, one.category, one.key) == (1, "s-1", 1, "s", "1")
        assert (two.type, two.schema_version, two.tags) == ("seen", 1, ("person:bob",))
        assert (one.metadata.actor, one.metadata.user) == ("ann", {"shop": "north"})
        assert one.time.tzinfo is UTC


async def test_an_append_with_a_stale_expected_version_stores_nothing(store: StoreMaker) -> None:
    async with opened(store) as app:
        await app.store.append("s-1", Happened(number=1), expected=0)
        with pytest.raises(Conflict, match="Nothing was stored") as conflict:
            await app.store.append("s-1", Happened(number=2), Happened(number=3), expected=0)
        assert (conflict.value.stream, conflict.value.expected, conflict.value.actual) == ("s-1", 0, 1)
        assert await app.store.head() == 1


async def test_an_append_whose_condition_is_broken_stores_nothing(store: StoreMaker) -> None:
    async with opened(store) as app:
        boundary = Selection(types=("seen",), tags=("person:bob",))
        await app.store.append("s-1", Seen(number=1, by="bob"), condition=Condition(boundary, 0))
        with pytest.raises(Conflict):
            await app.store.append("s-2", Seen(number=2, by="bob"), condition=Condition(boundary, 0))
        await app.store.append("s-2", Seen(number=2, by="bob"), condition=Condition(boundary, 1))
        assert await app.store.head() == 2


async def test_an_append_without_events_only_asserts_the_version(store: StoreMaker) -> None:
    async with opened(store) as app:
        await app.store.append("s-1", Happened(number=1))
        assert (await app.store.append("s-1", expected=1)).versions == (1,)
        with pytest.raises(Conflict):
            await app.store.append("s-1", expected=0)
        assert await app.store.head() == 1


async def test_a_write_under_a_used_idempotency_key_is_not_stored_again(store: StoreMaker) -> None:
    async with opened(store) as app:
        record = app.store.codec.encode(Happened(number=1))
        repeatable = Repeatable("key", "print", "{}")
        await app.store.write(Write(appends=(StreamAppend("s-1", (record,)),), repeatable=repeatable))
        with pytest.raises(Conflict, match="idempotency key"):
            await app.store.write(Write(appends=(StreamAppend("s-1", (record,)),), repeatable=repeatable))
        assert await app.store.head() == 1


@pytest.mark.parametrize("stream", ["", "s", "s-", "-1", "s-a b", "s-\N{GRINNING FACE}", "s-" + "x" * 10_000])
async def test_a_stream_with_a_wrong_name_is_refused(store: StoreMaker, stream: str) -> None:
    async with opened(store) as app:
        with pytest.raises(InvalidName):
            await app.store.append(stream, Happened(number=1))
        assert await app.store.head() == 0


async def test_what_is_no_event_of_the_app_is_refused(store: StoreMaker) -> None:
    async with opened(store) as app:
        with pytest.raises(InvalidEvent, match="not registered"):
            await app.store.append("s-1", Happened(number=1), object())
        assert await app.store.head() == 0


async def test_metadata_that_json_cannot_hold_is_refused(store: StoreMaker) -> None:
    async with opened(store) as app:
        with pytest.raises(CodecError, match="metadata"), metadata(shop=object()):
            await app.store.append("s-1", Happened(number=1))
        assert await app.store.head() == 0


@pytest.mark.parametrize("page", [1, 2, 3, 1_000])
async def test_pages_cover_the_selected_span_once_and_in_order(store: StoreMaker, page: int) -> None:
    async with opened(store) as app:
        await filled(app)
        for backwards in (False, True):
            pages = app.store.pages(after=2, until=19, backwards=backwards, page=page)
            positions = [record.position async for found in pages for record in found]
            assert positions == sorted(range(3, 20), reverse=backwards)


@pytest.mark.parametrize("page", [1, 2, 3, 1_000])
async def test_pages_of_a_selection_leave_the_others_out(store: StoreMaker, page: int) -> None:
    async with opened(store) as app:
        await filled(app)
        pages = app.store.pages(Selection(stream="s-1"), page=page)
        assert [record.position async for found in pages for record in found] == [2, 5, 8, 11, 14, 17, 20]


@pytest.mark.parametrize("limit", [0, 1, 3, 4, 20, 21, 22, 500])
async def test_records_stop_at_the_limit(store: StoreMaker, limit: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(event_store, "PAGE", 3)
    async with opened(store) as app:
        await filled(app)
        forwards = [record.position async for record in app.store.records(limit=limit)]
        assert forwards == list(range(1, 22))[:limit]
        backwards = [record.position async for record in app.store.records(limit=limit, backwards=True)]
        assert backwards == list(range(21, 0, -1))[:limit]


async def test_a_stream_is_read_between_two_versions(store: StoreMaker) -> None:
    async with opened(store) as app:
        await filled(app)
        found = [pair async for pair in app.store.read_stream("s-1", after=2, until=5)]
        assert [record.version for _, record in found] == [3, 4, 5]
        assert numbers([event for event, _ in found]) == [8, 11, 14]
        assert [pair async for pair in app.store.read_stream("s-9")] == []


@pytest.mark.parametrize("page", [1, 2, 3, 4, 5, 1_000])
async def test_a_merged_pair_is_one_event_wherever_a_page_ends(store: StoreMaker, page: int) -> None:
    async with opened(store) as app:
        for number in range(5):
            await app.store.append("s-1", Half(number=number), OtherHalf(number=10))
            await app.store.append("s-1", Happened(number=number))
        await app.store.append("s-1", Half(number=7))  # without its partner it stays what it is
        expected = [event for number in range(5) for event in (Whole(number=number + 10), Happened(number=number))]
        assert [event async for event, _ in app.store.read(page=page)] == [*expected, Half(number=7)]
        if page > 1:
            pages = app.store.stream_pages("s-1", page=page)
            assert [event async for found in pages for event, _ in app.store.codec.pairs(found)] == [
                *expected,
                Half(number=7),
            ]


async def test_streams_are_listed_by_name_page_by_page(store: StoreMaker) -> None:
    async with opened(store) as app:
        await filled(app, streams=4, each=2)
        await app.store.append("other-1", Happened(number=1))
        first = await app.store.streams(prefix="s-", limit=3)
        assert [(info.stream, info.version, info.position) for info in first] == [
            ("s-0", 2, 5),
            ("s-1", 2, 6),
            ("s-2", 2, 7),
        ]
        assert [info.stream for info in await app.store.streams(prefix="s-", after="s-2")] == ["s-3"]
        assert len(await app.store.streams()) == 5


async def test_the_head_is_the_last_position(store: StoreMaker) -> None:
    async with opened(store) as app:
        assert await app.store.head() == Position(0)
        await filled(app, streams=1, each=3)
        head = await app.store.head()
        assert head == 3
        assert isinstance(head, Position)


async def test_the_position_at_a_moment_is_the_last_one_recorded_by_then() -> None:
    async with App("log", Happened, store="memory:", clock=Ticking()) as app:
        assert await app.store.position_at(datetime.now(UTC)) == 0
        await filled(app, streams=1, each=9)
        records = await contents(app)
        for record in records:
            assert await app.store.position_at(record.time) == record.position
            assert await app.store.position_at(record.time - timedelta(microseconds=1)) == record.position - 1
            assert await app.store.position_at(record.time + timedelta(microseconds=1)) == record.position
        assert await app.store.position_at(from_micros(0)) == 0
        assert await app.store.position_at(datetime(9999, 1, 1, tzinfo=UTC)) == 9
        with pytest.raises(ValueError, match="no time zone"):
            await app.store.position_at(datetime(2024, 1, 1))  # noqa: DTZ001 (that is the point)
