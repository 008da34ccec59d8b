"""Versions: each stream counts from 1 without gaps, and an expected version has exactly one winner."""

# ruff: noqa: D102, S101

from __future__ import annotations

import asyncio

from everfold.log.engine import Engine
from everfold.log.write import Appended, Conflicted, StreamAppend, Write
from everfold.testing.contracts.engine_case import EngineCase, fresh, one, stored, to_stream, whole_log

__all__ = ["Versions"]


class Versions(EngineCase):
    """Promise 4: expected versions hold under any concurrency (A5, A6)."""

    async def test_versions_of_a_stream_begin_at_one_and_are_contiguous(self, engine: Engine) -> None:
        for _ in range(3):
            await stored(engine, to_stream("thing-a", *fresh(amount=2)), to_stream("thing-b"))
        log = await whole_log(engine)
        assert [record.version for record in log if record.stream == "thing-a"] == [1, 2, 3, 4, 5, 6]
        assert [record.version for record in log if record.stream == "thing-b"] == [1, 2, 3]

    async def test_the_expected_version_must_be_the_version(self, engine: Engine) -> None:
        await stored(engine, to_stream("thing-a", *fresh(amount=3), expected=0))
        for wrong in (0, 1, 2, 4, 7):
            outcome = await one(engine, to_stream("thing-a", expected=wrong))
            assert isinstance(outcome, Conflicted)
            assert (outcome.stream, outcome.expected, outcome.actual) == ("thing-a", wrong, 3)
        assert (await stored(engine, to_stream("thing-a", expected=3)))[0].versions == (4,)

    async def test_a_stream_expected_to_be_empty_must_be_empty(self, engine: Engine) -> None:
        await stored(engine, to_stream("thing-a", expected=0))
        assert isinstance(await one(engine, to_stream("thing-a", expected=0)), Conflicted)

    async def test_a_version_of_a_stream_that_does_not_exist_is_a_conflict(self, engine: Engine) -> None:
        outcome = await one(engine, to_stream("thing-a", expected=6))
        assert isinstance(outcome, Conflicted)
        assert outcome.actual == 0

    async def test_without_expected_version_any_version_is_fine(self, engine: Engine) -> None:
        for version in (1, 2, 3):
            assert (await stored(engine, to_stream("thing-a")))[0].versions == (version,)

    async def test_every_stream_of_a_write_is_judged(self, engine: Engine) -> None:
        await stored(engine, to_stream("thing-a"), to_stream("thing-b", *fresh(amount=2)))
        right = Write(appends=(StreamAppend("thing-a", fresh(), 1), StreamAppend("thing-b", fresh(), 2)))
        wrong = Write(appends=(StreamAppend("thing-a", fresh(), 2), StreamAppend("thing-b", fresh(), 2)))
        assert (await stored(engine, right))[0].versions == (2, 3)
        outcome = await one(engine, wrong)
        assert isinstance(outcome, Conflicted)
        assert outcome.stream == "thing-b"

    async def test_one_write_may_append_to_a_stream_twice(self, engine: Engine) -> None:
        parts = StreamAppend("thing-a", fresh(amount=2), 0), StreamAppend("thing-a", fresh(), 2)
        (done,) = await stored(engine, Write(appends=parts))
        assert done.versions == (2, 3)

    async def test_an_append_without_records_asserts_the_version(self, engine: Engine) -> None:
        await stored(engine, to_stream("thing-a"))
        asserting = (StreamAppend("thing-b", fresh()), StreamAppend("thing-a", (), 1))
        (done,) = await stored(engine, Write(appends=asserting))
        assert done.versions == (1, 1)
        stale = (StreamAppend("thing-b", fresh()), StreamAppend("thing-a", (), 0))
        assert isinstance(await one(engine, Write(appends=stale)), Conflicted)
        assert [record.stream for record in await whole_log(engine)] == ["thing-a", "thing-b"]

    async def test_of_concurrent_appends_with_one_expected_version_one_wins(self, engine: Engine) -> None:
        for version in range(10):
            attempts = [engine.append([to_stream("thing-a", expected=version)]) for _ in range(8)]
            outcomes = [outcome for (outcome,) in await asyncio.gather(*attempts)]
            assert [type(outcome) for outcome in outcomes].count(Appended) == 1
        assert [record.version for record in await whole_log(engine)] == list(range(1, 11))
