"""Order: positions are contiguous from 1, in commit order, never reused, and times never go back."""

# ruff: noqa: D102, S101

from __future__ import annotations

import asyncio

from everfold.log.engine import Engine
from everfold.log.selection import EVERYTHING
from everfold.log.write import Conflicted
from everfold.testing.contracts.engine_case import EngineCase, fresh, one, positions, stored, to_stream, whole_log

__all__ = ["Order"]


class Order(EngineCase):
    """Promise 3: positions strictly increase in commit order, without gaps (A5, A8, A9, A13)."""

    async def test_an_empty_log_has_head_zero_and_no_records(self, engine: Engine) -> None:
        assert await engine.wait(-1) == 0
        assert await whole_log(engine) == []

    async def test_positions_begin_at_one_and_are_contiguous(self, engine: Engine) -> None:
        for number in range(5):
            await stored(engine, to_stream(f"thing-{number}", *fresh(amount=3)))
        assert await positions(engine) == list(range(1, 16))

    async def test_an_outcome_tells_the_positions_and_versions_of_its_records(self, engine: Engine) -> None:
        await stored(engine, to_stream("thing-a", *fresh(amount=2)))
        (done,) = await stored(engine, to_stream("thing-a", *fresh(amount=3)))
        assert (done.first, done.last, done.versions) == (3, 5, (5,))
        page = await engine.read(EVERYTHING, after=done.first - 1, limit=10)
        assert [(record.position, record.version) for record in page] == [(3, 3), (4, 4), (5, 5)]
        assert {record.recorded for record in page} == {done.recorded}

    async def test_records_are_stored_exactly_as_given(self, engine: Engine) -> None:
        given = fresh("renamed", tags=("owner:Ünä", "a b", "owner:Ünä"), data='{"name": "☃ \\u0000 \'"}')[0]
        await stored(engine, to_stream("thing-a", given))
        (found,) = await whole_log(engine)
        assert (found.stream, found.type, found.schema_version, found.id) == ("thing-a", "renamed", 1, given.id)
        assert (found.data, found.metadata_json, found.tags) == (given.data, given.metadata_json, given.tags)

    async def test_writes_of_one_batch_are_stored_in_their_order(self, engine: Engine) -> None:
        done = await stored(engine, *(to_stream(f"thing-{number}", *fresh(amount=2)) for number in range(4)))
        assert [(outcome.first, outcome.last) for outcome in done] == [(1, 2), (3, 4), (5, 6), (7, 8)]

    async def test_a_refused_write_burns_no_position(self, engine: Engine) -> None:
        outcomes = await engine.append([to_stream("thing-a"), to_stream("thing-b", expected=7), to_stream("thing-c")])
        assert isinstance(outcomes[1], Conflicted)
        assert isinstance(await one(engine, to_stream("thing-a", expected=0)), Conflicted)
        await stored(engine, to_stream("thing-d"))
        assert [(record.position, record.stream) for record in await whole_log(engine)] == [
            (1, "thing-a"),
            (2, "thing-c"),
            (3, "thing-d"),
        ]

    async def test_times_never_decrease_along_the_log(self, engine: Engine) -> None:
        for _ in range(5):
            await stored(engine, to_stream("thing-a"), to_stream("thing-b"))
        times = [record.recorded for record in await whole_log(engine)]
        assert times == sorted(times)

    async def test_a_later_append_gets_higher_positions(self, engine: Engine) -> None:
        async def writer(name: str) -> list[int]:
            return [(await stored(engine, to_stream(f"thing-{name}")))[0].last for _ in range(10)]

        reached = await asyncio.gather(*(writer(str(number)) for number in range(8)))
        assert all(mine == sorted(mine) for mine in reached)
        assert sorted(position for mine in reached for position in mine) == list(range(1, 81))

    async def test_a_reader_at_the_tail_sees_every_record_once_in_order(self, engine: Engine) -> None:
        seen: list[int] = []

        async def read_on() -> None:
            while len(seen) < 100:
                await engine.wait(len(seen))
                page = await engine.read(EVERYTHING, after=len(seen), limit=7)
                seen.extend(record.position for record in page)

        async def write(name: str) -> None:
            for _ in range(10):
                await stored(engine, to_stream(f"thing-{name}", *fresh(amount=2)))

        async with asyncio.timeout(30):
            await asyncio.gather(read_on(), *(write(str(number)) for number in range(5)))
        assert seen == list(range(1, 101))

    async def test_a_large_write_is_stored_whole(self, engine: Engine) -> None:
        given = fresh(amount=357)
        (done,) = await stored(engine, to_stream("thing-a", *given))
        assert (done.first, done.last, done.versions) == (1, 357, (357,))
        assert [record.id for record in await whole_log(engine)] == [new.id for new in given]

    async def test_appending_no_writes_gives_no_outcomes(self, engine: Engine) -> None:
        assert list(await engine.append([])) == []
        assert await engine.wait(-1) == 0
