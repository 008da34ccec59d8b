"""Following the log: no seam between what was there before and what comes, whatever is selected."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from everfold.errors import StoreError
from everfold.log.record import Record
from everfold.log.selection import EVERYTHING, Selection
from everfold.subscriptions import follow as following
from everfold.subscriptions.follow import Span, follow
from tests.subscriptions.following import Log

A = Selection(types=("a",))


@pytest.fixture
async def log() -> AsyncGenerator[Log]:
    engine = Log()
    await engine.open()
    yield engine
    await engine.close()


def never(record: Record) -> bool:
    return False


def begins_pair(record: Record) -> bool:
    return record.type == "first"


async def spans(
    log: Log,
    selection: Selection = EVERYTHING,
    *,
    until: int,
    ends_in_merge: Callable[[Record], bool] = never,
    **o: Any,
) -> list[Span]:
    """What is given until this position is reached."""
    found: list[Span] = []
    async with asyncio.timeout(10), aclosing(follow(log, selection, after=0, ends_in_merge=ends_in_merge, **o)) as some:
        async for span in some:
            found.append(span)
            if span.position >= until:
                break
    return found


def positions(found: list[Span]) -> list[int]:
    return [record.position for span in found for record in span.records]


async def test_spans_are_contiguous_and_cover_what_is_not_selected(log: Log) -> None:
    await log.add(*"abbabbb")
    found = await spans(log, A, until=7, page=1)
    assert positions(found) == [1, 4]
    assert [span.position for span in found] == [1, 4, 7]
    assert [span.is_last for span in found] == [False, False, True]


async def test_what_is_appended_between_a_read_and_the_wait_is_not_missed(log: Log) -> None:
    await log.add("a", "a")
    seen: list[int] = []
    async with asyncio.timeout(10), aclosing(follow(log, EVERYTHING, after=0, ends_in_merge=never, page=2)) as some:
        async for span in some:
            seen.extend(record.position for record in span.records)
            if len(seen) < 10:
                await log.add("a", "b")
            elif span.is_last:
                break
    assert seen == list(range(1, len(seen) + 1))


async def test_it_waits_for_more_and_wakes(log: Log) -> None:
    some = follow(log, EVERYTHING, after=0, ends_in_merge=never)
    waiting = asyncio.create_task(anext(some))
    await asyncio.sleep(0)
    assert not waiting.done()
    await log.add("a")
    async with asyncio.timeout(10):
        assert (await waiting).position == 1
    await some.aclose()


async def test_patience_gives_a_span_without_records(log: Log) -> None:
    await log.add("a")
    found: list[Span] = []
    async with (
        asyncio.timeout(10),
        aclosing(follow(log, EVERYTHING, after=0, ends_in_merge=never, patience=0.001)) as some,
    ):
        async for span in some:
            found.append(span)
            if len(found) == 3:
                break
    assert [(len(span.records), span.position, span.is_last) for span in found] == [
        (1, 1, True),
        (0, 1, True),
        (0, 1, True),
    ]


async def test_whoever_has_patience_is_told_at_once_that_there_is_nothing(log: Log) -> None:
    await log.add("a")
    async with (
        asyncio.timeout(10),
        aclosing(follow(log, EVERYTHING, after=1, ends_in_merge=never, patience=1_000)) as some,
    ):
        assert await anext(some) == Span((), 1, 1)
        waiting = asyncio.ensure_future(anext(some))
        await log.add("b")
        assert positions([await waiting]) == [2]


async def test_until_is_where_the_log_is_taken_to_end(log: Log) -> None:
    await log.add(*"aaaaa")
    found: list[Span] = []
    async with aclosing(follow(log, EVERYTHING, after=0, until=3, ends_in_merge=never, page=2)) as some:
        async for span in some:
            found.append(span)
            if span.is_last:
                break
    assert positions(found) == [1, 2, 3]
    assert found[-1].head == 3


async def test_a_rare_type_in_a_long_log_shows_progress(log: Log, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(following, "WINDOW", 3)
    await log.add(*"abbbbbba")
    found = await spans(log, A, until=8)
    assert [(len(span.records), span.position) for span in found] == [(1, 3), (0, 6), (1, 8)]


@pytest.mark.parametrize("window", [2, 3, 4, 5, 100])
@pytest.mark.parametrize("page", [2, 3, 4, 100])
async def test_what_belongs_together_comes_together(
    log: Log, monkeypatch: pytest.MonkeyPatch, page: int, window: int
) -> None:
    monkeypatch.setattr(following, "WINDOW", window)
    for types in (["first", "second"], ["x"], ["first", "second"], ["first", "second"], ["first"], ["x"]):
        await log.add(*types)
    found = await spans(log, until=9, ends_in_merge=begins_pair, page=page)
    assert positions(found) == list(range(1, 10))
    pairs = {1: 2, 4: 5, 6: 7}
    for span in found:
        inside = [record.position for record in span.records]
        assert all(pairs[each] in inside for each in inside if each in pairs)
        assert not inside or inside[-1] <= span.position


async def test_the_end_of_the_log_is_not_waited_for_a_second_half(log: Log) -> None:
    await log.add("first")
    (span,) = await spans(log, until=1, ends_in_merge=begins_pair, page=2)
    assert positions([span]) == [1]


async def test_nothing_is_left_behind_when_it_is_given_up(log: Log) -> None:
    await log.add(*"aaaa")
    before = asyncio.all_tasks()
    await spans(log, until=1, page=1)
    waiting = asyncio.create_task(spans(log, until=100))
    await asyncio.sleep(0.01)
    waiting.cancel()
    await asyncio.gather(waiting, return_exceptions=True)
    await asyncio.sleep(0)
    assert asyncio.all_tasks() == before


async def test_a_read_that_fails_is_the_callers(log: Log) -> None:
    await log.add(*"aaa")
    log.read_failures = [StoreError("the disk")]
    with pytest.raises(StoreError, match="the disk"):
        await spans(log, until=3, page=1)
    some = follow(log, EVERYTHING, after=0, ends_in_merge=never, page=1)
    assert (await anext(some)).position == 1
    log.read_failures = [StoreError("the disk")]
    with pytest.raises(StoreError, match="the disk"):
        for _ in range(3):
            await anext(some)


@given(st.lists(st.sampled_from("ab"), max_size=20), st.integers(1, 5), st.integers(0, 20), st.integers(2, 30))
@settings(max_examples=50, deadline=None)
def test_nothing_is_missed_and_nothing_comes_twice(types: list[str], page: int, after: int, window: int) -> None:
    async def run() -> None:
        log = Log()
        await log.open()
        for type in types:
            await log.add(type)
        seen: list[int] = []
        if after < len(types):
            async with aclosing(follow(log, A, after=after, ends_in_merge=never, page=page)) as some:
                async for span in some:
                    seen.extend(record.position for record in span.records)
                    if span.is_last:
                        break
        expected = [number for number, type in enumerate(types, 1) if type == "a" and number > after]
        assert seen == expected
        await log.close()

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(following, "WINDOW", window)
        asyncio.run(run())
