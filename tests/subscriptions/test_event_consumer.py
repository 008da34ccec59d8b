"""The consumer of events, driven by hand: its position, its fence, what it sets aside, and what others do meanwhile."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from functools import partial

import pytest

from everfold import Event
from everfold.clock import SystemClock
from everfold.codec.pipeline import Codec
from everfold.log.engine import Engine
from everfold.log.record import NewRecord, Record
from everfold.log.selection import EVERYTHING
from everfold.log.write import StreamAppend, Write
from everfold.subscriptions.bookkeeping import ConsumerRow, Parked, execute, rows
from everfold.subscriptions.consumer import SAVE_EVERY, EventConsumer
from everfold.subscriptions.partition import Part
from everfold.subscriptions.subscription import Fenced, Moved, Paused, Poison


class Counted(Event):
    n: int


NUMBERS = itertools.count(1)


class Desk:
    """A log, a consumer of it, and what it was told."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self.database = engine.beside
        self.heard: list[int] = []
        self.poison: set[int] = set()
        self.first = self.consumer()

    def consumer(self, part: Part | None = None) -> EventConsumer:
        codec = Codec([Counted], new_id=lambda: "unused")

        async def beginning() -> int:
            return 0

        return EventConsumer(
            "desk",
            self.hear,
            events=[Counted],
            part=part or Part(0, 1),
            start=beginning,
            database=self.database,
            codec=codec,
            clock=SystemClock(),
        )

    async def hear(self, event: object, record: Record) -> None:
        assert isinstance(event, Counted)
        if event.n in self.poison:
            raise ValueError(f"{event.n} is an evil number")
        self.heard.append(event.n)

    async def add(self, *stream_of: str, data: str | None = None) -> Sequence[Record]:
        """Append an event to each of these streams, numbered like its position; every record so far."""
        for stream in stream_of:
            position = await self.engine.wait(-1) + 1
            record = NewRecord(
                "counted", 1, f"{next(NUMBERS):08x}-0000-7000-8000-000000000000", data or f'{{"n":{position}}}'
            )
            await self.engine.append([Write(appends=(StreamAppend(f"desk-{stream}", (record,), None),))])
        return await self.engine.read(EVERYTHING, limit=1_000)

    async def do(self, statement: str, **values: object) -> None:
        await self.database.write(lambda c: execute(c, self.database.dialect, statement, name="desk", **values))

    async def position(self, part: Part | None = None) -> int:
        builds: list[ConsumerRow] = await self.database.read(
            lambda c: rows(c, self.database.dialect, "read_builds", ConsumerRow, name="desk")
        )
        return next(row.position for row in builds if row.build == (part or Part(0, 1)).build)

    async def parked(self) -> list[tuple[int, str, str]]:
        statement = "SELECT position, stream, state FROM everfold_parked ORDER BY position"
        found: list[tuple[int, str, str]] = await self.database.read(lambda c: c.execute(statement).fetchall())
        return found


@pytest.fixture
async def desk(engine: Engine) -> Desk:
    found = Desk(engine)
    await found.first.prepare()
    return found


async def test_the_position_moves_with_what_was_handled(desk: Desk) -> None:
    records = await desk.add("a", "b", "a")
    assert await desk.first.resume(1) == 0
    assert await desk.first.consume(records, 3) == 3
    assert (desk.heard, await desk.position()) == ([1, 2, 3], 3)
    assert await desk.first.consume((), 3) == 0
    assert await desk.first.consume((), 5) == 0, "nothing for it, but it is further"
    assert await desk.position() == 5


async def test_a_crash_repeats_no_more_than_it_must(desk: Desk) -> None:
    records = await desk.add(*"a" * (2 * SAVE_EVERY + 1))
    desk.poison = {2 * SAVE_EVERY + 1}
    positions: list[int] = []
    hear = desk.hear

    async def look(event: object, record: Record) -> None:
        positions.append(await desk.position())
        await hear(event, record)

    desk.hear = look  # type: ignore[method-assign]
    consumer = desk.consumer()
    await consumer.resume(1)
    with pytest.raises(Poison) as poison:
        await consumer.consume(records, len(records))
    assert (poison.value.record.position, poison.value.handled) == (2 * SAVE_EVERY + 1, 2 * SAVE_EVERY)
    assert sorted(set(positions)) == [0, SAVE_EVERY, 2 * SAVE_EVERY]
    assert await desk.position() == 2 * SAVE_EVERY


async def test_what_is_set_aside_holds_its_stream_back(desk: Desk) -> None:
    records = await desk.add("a", "b", "a", "b")
    desk.poison = {1}
    await desk.first.resume(1)
    with pytest.raises(Poison, match="1 is an evil number") as poison:
        await desk.first.consume(records, 4)
    await desk.first.park(poison.value, 3)
    assert await desk.first.consume(records[1:], 4) == 2
    assert desk.heard == [2, 4]
    assert await desk.parked() == [(1, "desk-a", "parked"), (3, "desk-a", "waiting")]
    (parked,) = await desk.database.read(lambda c: rows(c, desk.database.dialect, "read_parked", Parked, name="desk"))
    assert (parked.attempts, parked.error) == (3, "ValueError: 1 is an evil number")
    assert "in hear" in parked.traceback


async def test_a_record_that_cannot_be_read_is_the_guilty_one(desk: Desk) -> None:
    await desk.add("a")
    await desk.add("b", data='{"n":"no number"}')
    records = await desk.add("a")
    await desk.first.resume(1)
    with pytest.raises(Poison) as poison:
        await desk.first.consume(records, 3)
    assert (poison.value.record.position, poison.value.handled) == (2, 1)
    assert await desk.position() == 1


async def test_what_is_amended_is_handled_as_such_or_not_at_all(desk: Desk) -> None:
    records = await desk.add("a", "a", "a")
    why = {"reason": "because", "actor": "me", "amended": 0}
    await desk.do("amend", position=1, data=None, **why)
    await desk.do("amend", position=2, data='{"n":20}', **why)
    await desk.first.resume(1)
    assert await desk.first.consume(records, 3) == 2
    assert desk.heard == [20, 3]


async def test_whoever_has_an_older_token_is_fenced(desk: Desk) -> None:
    records = await desk.add("a")
    other = desk.consumer()
    await desk.first.resume(1)
    await other.resume(2)
    with pytest.raises(Fenced):
        await desk.first.consume(records, 1)
    with pytest.raises(Fenced):
        await desk.first.resume(1)
    assert desk.heard == []
    assert await other.consume(records, 1) == 1


@pytest.mark.parametrize("token", [2, 1])
async def test_whoever_is_overtaken_while_it_handles_does_not_move_the_position(desk: Desk, token: int) -> None:
    records = await desk.add("a", "b")
    other, hear = desk.consumer(), desk.hear

    async def overtake(event: object, record: Record) -> None:
        await hear(event, record)
        if token == 2:
            await other.resume(2)
        else:
            await desk.do("touch_all")

    desk.hear = overtake  # type: ignore[method-assign]
    consumer = desk.consumer()
    await consumer.resume(1)
    with pytest.raises(Fenced if token == 2 else Moved):
        await consumer.consume(records, 2)
    assert await desk.position() == 0


async def test_it_looks_whether_it_is_paused_or_moved(desk: Desk) -> None:
    records = await desk.add("a", "a")
    await desk.first.resume(1)
    await desk.first.pause("a rest")
    with pytest.raises(Paused, match="a rest"):
        await desk.first.consume(records, 2)
    with pytest.raises(Paused, match="a rest"):
        await desk.first.resume(1)
    await desk.do("pause", paused=None)
    await desk.do("advance", build=Part(0, 1).build, position=1, changed=1, recorded=0)
    with pytest.raises(Moved):
        await desk.first.consume(records, 2)
    assert await desk.first.resume(1) == 1
    await desk.do("delete_build", build=Part(0, 1).build)
    with pytest.raises(Fenced):
        await desk.first.consume(records[1:], 2)
    assert desk.heard == []


async def test_parts_have_positions_of_their_own(desk: Desk) -> None:
    streams = [str(number) for number in range(8)]
    records = await desk.add(*streams)
    parts = [Part(0, 2), Part(1, 2)]
    consumers = [desk.consumer(part) for part in parts]
    for consumer in consumers:
        await consumer.prepare()
        await consumer.prepare()
        await consumer.resume(1)
    assert await consumers[0].consume(records, 8) + await consumers[1].consume(records[:4], 4) < 8
    assert [await desk.position(part) for part in parts] == [8, 4]
    await consumers[1].consume(records[4:], 8)
    assert sorted(desk.heard) == list(range(1, 9))


async def test_two_that_prepare_at_once_make_one(desk: Desk) -> None:
    one, other = desk.consumer(Part(0, 3)), desk.consumer(Part(0, 3))
    create = one._create  # pyright: ignore[reportPrivateUsage]
    await other.prepare()
    await desk.database.write(partial(create, start=5))
    assert await one.resume(1) == 0
