"""Idempotency: a write repeated with its key is stored once, and the stored reply is given again."""

# ruff: noqa: D102, S101

from __future__ import annotations

import asyncio

from everfold.log.condition import Condition
from everfold.log.engine import Engine
from everfold.log.idempotency import Repeatable, StoredReply
from everfold.log.selection import EVERYTHING
from everfold.log.write import Appended, Conflicted, Repeated, StreamAppend, Write
from everfold.testing.contracts.engine_case import EngineCase, fresh, one, stored, to_stream, whole_log

__all__ = ["Idempotency"]


def repeatable(key: str, *, reply: str = '"done"', expected: int | None = None) -> Write:
    """A write with an idempotency key."""
    return Write(
        appends=(StreamAppend("thing-a", fresh(), expected),), repeatable=Repeatable(key, "fingerprint", reply)
    )


class Idempotency(EngineCase):
    """Promise 5: a command retried with the same key has one effect and the same reply (A3)."""

    async def test_an_unknown_key_has_no_reply(self, engine: Engine) -> None:
        assert await engine.reply("never") is None

    async def test_a_repeated_write_is_stored_once_and_gets_the_first_reply(self, engine: Engine) -> None:
        await stored(engine, to_stream("thing-z"))
        (done,) = await stored(engine, repeatable("k", reply='{"seat": 4}'))
        again = await one(engine, repeatable("k", reply='{"seat": 5}'))
        kept = StoredReply("k", "fingerprint", '{"seat": 4}', done.first, done.last, done.recorded)
        assert again == Repeated(kept)
        assert await engine.reply("k") == kept
        assert len(await whole_log(engine)) == 2

    async def test_the_key_is_looked_at_before_versions_and_conditions(self, engine: Engine) -> None:
        await stored(engine, repeatable("k", expected=0))
        assert isinstance(await one(engine, repeatable("k", expected=0)), Repeated)
        stale = Write(condition=Condition(EVERYTHING, 0), repeatable=Repeatable("k", "fingerprint", "1"))
        assert isinstance(await one(engine, stale), Repeated)

    async def test_a_repetition_within_one_batch_is_found(self, engine: Engine) -> None:
        outcomes = await engine.append([repeatable("k"), repeatable("l"), repeatable("k")])
        assert [type(outcome) for outcome in outcomes] == [Appended, Appended, Repeated]
        assert len(await whole_log(engine)) == 2

    async def test_a_refused_write_keeps_no_reply(self, engine: Engine) -> None:
        assert isinstance(await one(engine, repeatable("k", expected=3)), Conflicted)
        assert await engine.reply("k") is None
        assert isinstance(await one(engine, repeatable("k")), Appended)

    async def test_a_write_without_records_keeps_its_reply_too(self, engine: Engine) -> None:
        await stored(engine, Write(repeatable=Repeatable("k", "fingerprint", "null")))
        kept = await engine.reply("k")
        assert kept
        assert (kept.first, kept.last, kept.reply) == (1, 0, "null")

    async def test_of_concurrent_repetitions_one_is_stored(self, engine: Engine) -> None:
        outcomes = await asyncio.gather(*(one(engine, repeatable("k")) for _ in range(16)))
        kinds = [type(outcome) for outcome in outcomes]
        assert (kinds.count(Appended), kinds.count(Repeated)) == (1, 15)
        assert len(await whole_log(engine)) == 1
