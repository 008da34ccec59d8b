"""Verification: a sound log is found sound, span by span."""

# ruff: noqa: D102, S101

from __future__ import annotations

from everfold.log.engine import Engine
from everfold.log.integrity import Verified
from everfold.testing.contracts.engine_case import EngineCase, fresh, stored, to_stream

__all__ = ["Verification"]


class Verification(EngineCase):
    """Promise 9: corruption is detected and located; a sound log shows none (A21)."""

    async def test_an_empty_log_is_sound(self, engine: Engine) -> None:
        assert await engine.verify(after=0, limit=10) == Verified(0)

    async def test_a_sound_log_is_verified_span_by_span_to_its_end(self, engine: Engine) -> None:
        for _ in range(5):
            await stored(engine, to_stream("thing-a", *fresh(amount=3, tags=("t", "ü"))), to_stream("thing-b"))
        reached, spans = 0, 0
        while (verified := await engine.verify(after=reached, limit=7)).position > reached:
            assert verified.damages == ()
            reached, spans = verified.position, spans + 1
        assert (reached, spans) == (20, 3)
        assert verified == Verified(20)
