"""Transfer: a log written out of one storage and restored into another is the same log."""

# ruff: noqa: D102, S101

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from everfold.errors import StoreError
from everfold.log.checkpoint import Checkpoint
from everfold.log.condition import Condition
from everfold.log.engine import Engine
from everfold.log.idempotency import Repeatable, StoredReply
from everfold.log.record import Record
from everfold.log.selection import Selection
from everfold.log.write import Conflicted, Repeated, StreamAppend, Write
from everfold.testing.contracts.engine_case import EngineCase, fresh, one, stored, to_stream, whole_log

__all__ = ["Transfers"]

LOG = (
    Record(1, "thing-a", 1, "moved", 1, "id-1", 1_000, '{"x":1}', '{"actor":"ann"}', ("t", "u")),
    Record(2, "thing-b", 1, "moved", 2, "id-2", 1_000, '{"x":"ü"}'),
    Record(3, "thing-a", 2, "seen", 1, "id-3", 2_000, "{}", "{}", ("t",)),
)
REPLIES = (StoredReply("k1", "print", '"one"', 1, 2, 1_000), StoredReply("k2", "print", "2", 3, 3, 2_000))
CHECKPOINTS = (Checkpoint("a", 2), Checkpoint("b", 3))


def changed(index: int, **fields: object) -> tuple[Record, ...]:
    """The log, with one of its records changed."""
    return (*LOG[:index], msgspec.structs.replace(LOG[index], **fields), *LOG[index + 1 :])


UNFIT = {
    "gap": (LOG[0], LOG[2]),
    "gap at the beginning": LOG[1:],
    "repetition": (LOG[0], LOG[0]),
    "overlap": (*LOG, LOG[2]),
    "backwards": LOG[::-1],
    "version too high": changed(1, version=2),
    "version repeated": changed(2, version=1),
    "time goes back": changed(2, recorded=999),
    "id repeated": changed(2, id="id-1"),
}


class Transfers(EngineCase):
    """Promises 1 to 4 across storages: nothing is renumbered, and the log goes on as if it had never moved."""

    async def test_a_log_that_is_restored_is_the_same(self, engine: Engine, tmp_path: Path) -> None:
        await stored(engine, *(to_stream(f"thing-{number % 3}", *fresh(tags=("t",), amount=2)) for number in range(9)))
        write = Write(
            appends=(StreamAppend("thing-x", fresh(data='{"a":"ü"}')),),
            repeatable=Repeatable("k", "print", '"r"'),
            checkpoints=(Checkpoint("c", 4), Checkpoint("a", 9)),
        )
        await stored(engine, write)
        (tmp_path / "other").mkdir()
        other = await self.make_engine(tmp_path / "other")
        await other.open()
        log = await whole_log(engine)
        await other.restore(log[:7])
        await other.restore(log[7:], replies=await engine.replies(limit=10), checkpoints=await engine.checkpoints())
        assert await whole_log(other) == log
        assert await other.read(Selection(tags=("t",)), limit=100) == log[:-1]
        assert await other.replies(limit=10) == await engine.replies(limit=10)
        assert await other.checkpoints() == await engine.checkpoints() == [Checkpoint("a", 9), Checkpoint("c", 4)]
        assert await other.streams(limit=10) == await engine.streams(limit=10)
        assert await other.wait(-1) == len(log)
        assert (await other.verify(after=0, limit=100)).damages == ()
        await other.close()

    async def test_a_restored_log_goes_on(self, engine: Engine) -> None:
        await engine.restore(LOG, replies=REPLIES, checkpoints=CHECKPOINTS)
        assert await whole_log(engine) == list(LOG)
        assert isinstance(await one(engine, to_stream("thing-a", expected=1)), Conflicted)
        stale = Write(appends=(StreamAppend("x-1", fresh()),), condition=Condition(Selection(tags=("u",)), 0))
        assert isinstance(await one(engine, stale), Conflicted)
        (done,) = await stored(engine, to_stream("thing-a", expected=2))
        assert (done.first, done.versions) == (4, (3,))
        assert done.recorded >= 2_000
        again = Write(appends=(StreamAppend("thing-a", fresh()),), repeatable=Repeatable("k1", "print", '"new"'))
        assert await one(engine, again) == Repeated(REPLIES[0])
        assert [await engine.checkpoint(name) for name in ("a", "b", "c")] == [2, 3, 0]
        assert (await engine.verify(after=0, limit=100)).damages == ()

    async def test_what_was_known_before_yields_to_what_is_restored(self, engine: Engine) -> None:
        for expected in (1, 2):
            assert isinstance(await one(engine, to_stream("thing-a", expected=expected)), Conflicted)
        await engine.restore(LOG)
        assert isinstance(await one(engine, to_stream("thing-a", expected=0)), Conflicted)
        await stored(engine, to_stream("thing-a", expected=2))

    async def test_a_log_can_be_restored_behind_what_is_there(self, engine: Engine) -> None:
        await engine.restore(LOG[:1])
        await engine.restore(LOG[1:])
        assert await whole_log(engine) == list(LOG)

    async def test_restoring_wakes_those_who_wait(self, engine: Engine) -> None:
        assert await engine.wait(-1) == 0
        await engine.restore(LOG)
        assert await engine.wait(0, 10) == 3

    @pytest.mark.parametrize("records", UNFIT.values(), ids=UNFIT)
    async def test_what_does_not_continue_the_log_is_refused(self, engine: Engine, records: tuple[Record, ...]) -> None:
        with pytest.raises(StoreError):
            await engine.restore(records, replies=REPLIES, checkpoints=CHECKPOINTS)
        assert await whole_log(engine) == []
        assert await engine.replies(limit=10) == []
        assert await engine.checkpoints() == []
        await engine.restore(LOG)

    async def test_what_is_there_already_is_refused(self, engine: Engine) -> None:
        await engine.restore(LOG, replies=REPLIES[:1])
        new = Record(4, "thing-a", 3, "moved", 1, "id-4", 3_000, "{}")
        for records, replies in (
            (LOG, ()),
            ([msgspec.structs.replace(new, id="id-1")], ()),
            ([msgspec.structs.replace(new, recorded=1_999)], ()),
            ([new], REPLIES),
            ([], (REPLIES[1], REPLIES[1])),
        ):
            with pytest.raises(StoreError):
                await engine.restore(records, replies=replies)
        assert await whole_log(engine) == list(LOG)
        assert await engine.replies(limit=10) == [REPLIES[0]]
        await engine.restore([new], replies=REPLIES[1:])

    async def test_replies_and_checkpoints_may_be_restored_alone(self, engine: Engine) -> None:
        await engine.restore([])
        await engine.restore([], checkpoints=CHECKPOINTS)
        await engine.restore(LOG)
        await engine.restore([], replies=REPLIES)
        await engine.restore([], checkpoints=[Checkpoint("a", 1)])
        assert await engine.checkpoints() == [Checkpoint("a", 1), Checkpoint("b", 3)]
        assert await engine.replies(limit=10) == list(REPLIES)
        assert await engine.wait(-1) == 3

    async def test_replies_come_in_pages_by_key(self, engine: Engine) -> None:
        keys = [f"key-{number:02}" for number in range(7)]
        for key in reversed(keys):
            await stored(engine, Write(repeatable=Repeatable(key, "print", "1")))
        found: list[str] = []
        while page := await engine.replies(after=found[-1] if found else "", limit=3):
            found += [reply.key for reply in page]
        assert found == keys
        assert await engine.replies(limit=0) == []
