"""Atomicity: all parts of one write are stored together or not at all, and writes fail one by one."""

# ruff: noqa: D102, S101

from __future__ import annotations

from everfold.log.checkpoint import Checkpoint
from everfold.log.condition import Condition
from everfold.log.engine import Engine
from everfold.log.idempotency import Repeatable
from everfold.log.selection import Selection
from everfold.log.snapshot import Snapshot
from everfold.log.write import Appended, Conflicted, StreamAppend, Write
from everfold.testing.contracts.engine_case import EngineCase, fresh, one, stored, to_stream, whole_log

__all__ = ["Atomicity"]


def everything_at_once(*appends: StreamAppend, condition: Condition | None = None) -> Write:
    """A write that uses every part a write can have."""
    return Write(
        appends=appends,
        condition=condition,
        repeatable=Repeatable("key-1", "print", '"done"'),
        checkpoints=(Checkpoint("consumer", 41),),
        snapshots=(Snapshot("thing-a", 1, "print", "{}"),),
    )


async def traces(engine: Engine) -> tuple[object, ...]:
    """Everything that a write can leave behind."""
    return (
        await whole_log(engine),
        await engine.reply("key-1"),
        await engine.checkpoint("consumer"),
        await engine.snapshot("thing-a"),
    )


class Atomicity(EngineCase):
    """Promise 2: one append is atomic, with everything it carries (A2, A4)."""

    async def test_all_parts_of_a_write_are_stored_together(self, engine: Engine) -> None:
        parts = StreamAppend("thing-a", fresh(amount=2)), StreamAppend("thing-b", fresh())
        (done,) = await stored(engine, everything_at_once(*parts))
        assert (done.first, done.last, done.versions) == (1, 3, (2, 1))
        assert [record.stream for record in await whole_log(engine)] == ["thing-a", "thing-a", "thing-b"]
        reply, snapshot = await engine.reply("key-1"), await engine.snapshot("thing-a")
        assert reply and (reply.first, reply.last, reply.reply) == (1, 3, '"done"')
        assert snapshot and snapshot.position == 3
        assert await engine.checkpoint("consumer") == 41

    async def test_a_wrong_version_in_one_stream_leaves_nothing_of_the_write(self, engine: Engine) -> None:
        before = await traces(engine)
        parts = StreamAppend("thing-a", fresh(), 0), StreamAppend("thing-b", fresh(), 5)
        assert isinstance(await one(engine, everything_at_once(*parts)), Conflicted)
        assert await traces(engine) == before

    async def test_a_stale_condition_leaves_nothing_of_the_write(self, engine: Engine) -> None:
        await stored(engine, to_stream("thing-z"))
        before = await traces(engine)
        condition = Condition(Selection(types=("moved",)), 0)
        write = everything_at_once(StreamAppend("thing-a", fresh()), condition=condition)
        assert isinstance(await one(engine, write), Conflicted)
        assert await traces(engine) == before

    async def test_a_conflict_fails_only_its_own_write(self, engine: Engine) -> None:
        writes = [to_stream(f"thing-{number}", *fresh(amount=2), expected=number % 2) for number in range(6)]
        outcomes = await engine.append(writes)
        assert [type(outcome) for outcome in outcomes] == [Appended, Conflicted] * 3
        assert [record.stream[-1] for record in await whole_log(engine)] == ["0", "0", "2", "2", "4", "4"]

    async def test_a_later_write_sees_the_earlier_ones_of_its_batch(self, engine: Engine) -> None:
        condition = Condition(Selection(tags=("x",)), 0)
        outcomes = await engine.append(
            [
                to_stream("thing-a", *fresh(tags=("x",)), expected=0),
                to_stream("thing-a", expected=0),
                to_stream("thing-a", expected=1),
                Write(appends=(StreamAppend("thing-b", fresh()),), condition=condition),
            ]
        )
        assert [type(outcome) for outcome in outcomes] == [Appended, Conflicted, Appended, Conflicted]

    async def test_a_refused_write_is_not_seen_by_later_ones_of_its_batch(self, engine: Engine) -> None:
        outcomes = await engine.append(
            [
                to_stream("thing-a", *fresh(tags=("x",)), expected=9),
                to_stream("thing-a", expected=0),
                Write(appends=(StreamAppend("thing-b", fresh()),), condition=Condition(Selection(tags=("x",)), 0)),
            ]
        )
        assert [type(outcome) for outcome in outcomes] == [Conflicted, Appended, Appended]

    async def test_a_write_without_records_can_carry_a_checkpoint_and_a_snapshot(self, engine: Engine) -> None:
        await stored(engine, to_stream("thing-a"))
        (done,) = await stored(engine, everything_at_once())
        assert (done.first, done.last, done.versions) == (2, 1, ())
        assert await engine.checkpoint("consumer") == 41
        assert await engine.wait(-1) == 1
