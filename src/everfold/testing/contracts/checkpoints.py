"""Checkpoints: how far each consumer got, stored in the same transaction as what it did."""

# ruff: noqa: D102, S101

from __future__ import annotations

from everfold.log.checkpoint import Checkpoint
from everfold.log.engine import Engine
from everfold.log.write import Conflicted, StreamAppend, Write
from everfold.testing.contracts.engine_case import EngineCase, fresh, one, stored

__all__ = ["ConsumerCheckpoints"]


class ConsumerCheckpoints(EngineCase):
    """Promise 2: a checkpoint is stored with its append, or not at all (A15)."""

    async def test_an_unknown_consumer_is_at_zero(self, engine: Engine) -> None:
        assert await engine.checkpoint("nobody") == 0

    async def test_each_consumer_has_its_own_checkpoint(self, engine: Engine) -> None:
        await stored(engine, Write(checkpoints=(Checkpoint("a", 3), Checkpoint("b", 5))))
        await stored(engine, Write(checkpoints=(Checkpoint("a", 8),)))
        assert (await engine.checkpoint("a"), await engine.checkpoint("b")) == (8, 5)

    async def test_a_checkpoint_may_be_set_back(self, engine: Engine) -> None:
        await stored(engine, Write(checkpoints=(Checkpoint("a", 3),)))
        await stored(engine, Write(checkpoints=(Checkpoint("a", 1),)))
        assert await engine.checkpoint("a") == 1

    async def test_a_refused_write_moves_no_checkpoint(self, engine: Engine) -> None:
        stale = Write(appends=(StreamAppend("thing-a", fresh(), 9),), checkpoints=(Checkpoint("a", 3),))
        assert isinstance(await one(engine, stale), Conflicted)
        assert await engine.checkpoint("a") == 0
