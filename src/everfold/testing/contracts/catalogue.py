"""The catalogue: streams by name, in pages, with their version and newest position."""

# ruff: noqa: D102, S101

from __future__ import annotations

from everfold.log.catalogue import StreamInfo
from everfold.log.engine import Engine
from everfold.log.write import StreamAppend, Write
from everfold.testing.contracts.engine_case import EngineCase, fresh, stored, to_stream

__all__ = ["StreamCatalogue"]


class StreamCatalogue(EngineCase):
    """Promise 3, for listings: what is listed is committed, complete and in one order."""

    async def test_an_empty_log_lists_no_streams(self, engine: Engine) -> None:
        assert list(await engine.streams(limit=10)) == []

    async def test_streams_come_by_name_with_version_and_position(self, engine: Engine) -> None:
        await stored(engine, to_stream("b-1", *fresh(amount=2)), to_stream("a-1"), to_stream("b-1"))
        assert list(await engine.streams(limit=10)) == [StreamInfo("a-1", 1, 3), StreamInfo("b-1", 3, 4)]

    async def test_pages_of_streams_continue_behind_a_name(self, engine: Engine) -> None:
        names = sorted(f"thing-{number}" for number in range(25))
        await stored(engine, *(to_stream(name) for name in reversed(names)))
        found: list[str] = []
        while page := await engine.streams(after=found[-1] if found else "", limit=10):
            found.extend(info.stream for info in page)
        assert found == names

    async def test_a_prefix_limits_the_streams(self, engine: Engine) -> None:
        await stored(engine, *(to_stream(name) for name in ("a-1", "b-1", "b-10", "b-2", "b.c-1", "c-1")))
        assert [info.stream for info in await engine.streams(prefix="b-", limit=10)] == ["b-1", "b-10", "b-2"]
        assert [info.stream for info in await engine.streams(prefix="b-1", after="b-1", limit=10)] == ["b-10"]
        assert [info.stream for info in await engine.streams(prefix="b", after="a", limit=2)] == ["b-1", "b-10"]
        assert list(await engine.streams(prefix="b-", after="c", limit=10)) == []

    async def test_a_page_of_no_streams_is_empty(self, engine: Engine) -> None:
        await stored(engine, to_stream("a-1"), to_stream("a-2"))
        assert list(await engine.streams(limit=0)) == []
        assert list(await engine.streams(limit=-1)) == []

    async def test_a_stream_without_records_is_not_listed(self, engine: Engine) -> None:
        await stored(engine, Write(appends=(StreamAppend("thing-a", (), 0), StreamAppend("thing-b", fresh()))))
        assert [info.stream for info in await engine.streams(limit=10)] == ["thing-b"]

    async def test_a_record_is_found_by_its_id(self, engine: Engine) -> None:
        first, second = fresh(amount=2)
        await stored(engine, to_stream("a-1", first, second))
        found = await engine.record(second.id)
        assert found is not None
        assert (found.position, found.id, found.data) == (2, second.id, second.data)
        assert await engine.record("no-such-id") is None
