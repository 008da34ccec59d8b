"""Writes that cannot be stored at all fail alone, with an error that says why; the rest of their batch is stored."""

# ruff: noqa: D102, S101

from __future__ import annotations

from everfold.log.checkpoint import Checkpoint
from everfold.log.engine import Engine
from everfold.log.idempotency import Repeatable
from everfold.log.write import Appended, Conflicted, Failed, StreamAppend, Write
from everfold.testing.contracts.engine_case import EngineCase, fresh, one, stored, to_stream, whole_log

__all__ = ["UnstorableWrites"]


class UnstorableWrites(EngineCase):
    """Promises 2 and 3: a write that fails leaves nothing and burns no position (A2, A3, A4)."""

    async def test_an_event_id_is_stored_once(self, engine: Engine) -> None:
        records = fresh()
        await stored(engine, to_stream("thing-a", *records))
        outcome = await one(engine, to_stream("thing-b", *records))
        assert isinstance(outcome, Failed)
        assert records[0].id in str(outcome.error) or "id" in str(outcome.error)
        assert len(await whole_log(engine)) == 1

    async def test_an_event_id_may_not_be_repeated_within_a_write(self, engine: Engine) -> None:
        records = fresh()
        assert isinstance(await one(engine, to_stream("thing-a", *records, *records)), Failed)
        assert await whole_log(engine) == []

    async def test_a_failing_write_fails_alone_and_leaves_nothing(self, engine: Engine) -> None:
        used = fresh()
        await stored(engine, to_stream("thing-a", *used))
        bad = Write(
            appends=(StreamAppend("thing-b", (*fresh(tags=("t",)), *used)),),
            repeatable=Repeatable("k", "print", "1"),
            checkpoints=(Checkpoint("consumer", 7),),
        )
        good = to_stream("thing-c", *fresh(tags=("t",)), expected=0)
        after = to_stream("thing-b", expected=0)
        outcomes = await engine.append([good, bad, to_stream("thing-c", expected=5), after, bad])
        assert [type(outcome) for outcome in outcomes] == [Appended, Failed, Conflicted, Appended, Failed]
        assert [(r.position, r.stream, r.version) for r in await whole_log(engine)] == [
            (1, "thing-a", 1),
            (2, "thing-c", 1),
            (3, "thing-b", 1),
        ]
        assert await engine.reply("k") is None
        assert await engine.checkpoint("consumer") == 0

    async def test_one_bad_record_among_many_leaves_nothing(self, engine: Engine) -> None:
        used = fresh()
        await stored(engine, to_stream("thing-a", *used))
        outcome = await one(engine, to_stream("thing-b", *fresh(amount=170), *used, *fresh(amount=30)))
        assert isinstance(outcome, Failed)
        assert len(await whole_log(engine)) == 1

    async def test_the_engine_goes_on_after_a_failed_write(self, engine: Engine) -> None:
        used = fresh()
        await stored(engine, to_stream("thing-a", *used))
        for _ in range(3):
            assert isinstance(await one(engine, to_stream("thing-a", *used)), Failed)
            await stored(engine, to_stream("thing-a"))
        assert [record.version for record in await whole_log(engine)] == [1, 2, 3, 4]
