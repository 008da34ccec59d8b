"""Pages: reads of the log and of streams give consistent, bounded pages in both directions."""

# ruff: noqa: D102, S101

from __future__ import annotations

import asyncio

import pytest

from everfold.log.engine import Engine
from everfold.log.record import Record
from everfold.log.selection import EVERYTHING
from everfold.testing.contracts.engine_case import EngineCase, fresh, stored, to_stream, whole_log

__all__ = ["LogPages", "StreamPages"]

BOUNDS: list[tuple[int, int | None, range]] = [
    (0, None, range(1, 11)),
    (3, None, range(4, 11)),
    (0, 4, range(1, 5)),
    (3, 7, range(4, 8)),
    (7, 7, range(0)),
    (8, 3, range(0)),
    (10, None, range(0)),
    (10_000, None, range(0)),
    (0, 10_000, range(1, 11)),
    (0, 0, range(0)),
    (-5, 2, range(1, 3)),
    (0, -1, range(0)),
    (2**80, None, range(0)),
    (0, 2**80, range(1, 11)),
]


def needed(record: Record) -> tuple[object, ...]:
    """All but id, metadata and tags."""
    return (
        record.position,
        record.stream,
        record.version,
        record.type,
        record.schema_version,
        record.recorded,
        record.data,
    )


class LogPages(EngineCase):
    """Promise 3: what a reader sees of the log is one consistent, gapless view (A8, A9, A10)."""

    @pytest.mark.parametrize(("after", "until", "expected"), BOUNDS)
    @pytest.mark.parametrize("backwards", [False, True])
    async def test_a_page_lies_behind_after_and_not_behind_until(
        self, engine: Engine, after: int, until: int | None, expected: range, backwards: bool
    ) -> None:
        await stored(engine, to_stream("thing-a", *fresh(amount=10)))
        page = await engine.read(EVERYTHING, after=after, until=until, limit=100, backwards=backwards)
        assert [record.position for record in page] == list(reversed(expected) if backwards else expected)

    async def test_the_limit_cuts_the_page_at_the_end_it_is_read_to(self, engine: Engine) -> None:
        await stored(engine, to_stream("thing-a", *fresh(amount=10)))
        first = await engine.read(EVERYTHING, after=2, limit=3)
        last = await engine.read(EVERYTHING, until=8, limit=3, backwards=True)
        assert [record.position for record in first] == [3, 4, 5]
        assert [record.position for record in last] == [8, 7, 6]

    @pytest.mark.parametrize("limit", [0, -1])
    async def test_a_page_of_nothing_is_empty(self, engine: Engine, limit: int) -> None:
        await stored(engine, to_stream("thing-a", *fresh(amount=3)))
        assert list(await engine.read(EVERYTHING, limit=limit)) == []
        assert list(await engine.read_stream("thing-a", limit=limit)) == []

    async def test_a_page_is_short_only_at_the_end(self, engine: Engine) -> None:
        await stored(engine, to_stream("thing-a", *fresh(amount=25)))
        sizes: list[int] = []
        seen: list[int] = []
        while not sizes or sizes[-1] == 10:
            page = await engine.read(EVERYTHING, after=seen[-1] if seen else 0, limit=10)
            sizes.append(len(page))
            seen.extend(record.position for record in page)
        assert sizes == [10, 10, 5]
        assert seen == list(range(1, 26))


class StreamPages(EngineCase):
    """Promise 3, for one stream: versions in order, without gaps (A5)."""

    @pytest.mark.parametrize(("after", "until", "expected"), BOUNDS)
    @pytest.mark.parametrize("backwards", [False, True])
    async def test_bounds_of_a_stream_are_versions(
        self, engine: Engine, after: int, until: int | None, expected: range, backwards: bool
    ) -> None:
        for _ in range(10):
            await stored(engine, to_stream("thing-b", *fresh(amount=2)), to_stream("thing-a"))
        page = await engine.read_stream("thing-a", after=after, until=until, limit=100, backwards=backwards)
        assert [record.version for record in page] == list(reversed(expected) if backwards else expected)
        assert all(record.stream == "thing-a" for record in page)

    async def test_a_stream_that_does_not_exist_is_empty(self, engine: Engine) -> None:
        await stored(engine, to_stream("thing-a"))
        assert list(await engine.read_stream("thing-b", limit=10)) == []

    @pytest.mark.parametrize("backwards", [False, True])
    async def test_a_bare_page_holds_what_folding_needs(self, engine: Engine, backwards: bool) -> None:
        await stored(engine, to_stream("thing-a", *fresh(amount=9, data='{"n": 1}')))
        whole = await engine.read_stream("thing-a", after=2, until=8, limit=4, backwards=backwards)
        bare = await engine.read_stream("thing-a", after=2, until=8, limit=4, backwards=backwards, bare=True)
        assert [needed(record) for record in bare] == [needed(record) for record in whole]
        assert len(bare) == 4

    async def test_the_last_record_of_a_stream_is_one_step_away(self, engine: Engine) -> None:
        await stored(engine, to_stream("thing-a", *fresh(amount=5)), to_stream("thing-b"))
        (last,) = await engine.read_stream("thing-a", limit=1, backwards=True)
        assert (last.version, last.position) == (5, 5)

    async def test_streams_with_similar_names_are_apart(self, engine: Engine) -> None:
        names = ["thing-a", "thing-A", "thing-aa", "thing-a%", "thing-a_", "things-a"]
        await stored(engine, *(to_stream(name) for name in names))
        for name in names:
            assert [record.stream for record in await engine.read_stream(name, limit=10)] == [name]

    async def test_streams_read_at_the_same_time_do_not_mix(self, engine: Engine) -> None:
        names = [f"thing-{number}" for number in range(90)]
        await stored(engine, *(to_stream(name, *fresh(amount=1 + len(name) % 3)) for name in names for _ in range(3)))
        spans = [(name, number % 4, 1 + number % 5) for number, name in enumerate([*names, "thing-none", *names[:9]])]
        pages = await asyncio.gather(
            *(engine.read_stream(name, after=after, limit=limit, bare=True) for name, after, limit in spans)
        )
        log = await whole_log(engine)
        for (name, after, limit), page in zip(spans, pages, strict=True):
            expected = [record for record in log if record.stream == name and record.version > after][:limit]
            assert [(r.stream, r.version, r.position) for r in page] == [
                (r.stream, r.version, r.position) for r in expected
            ]
