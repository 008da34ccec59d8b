"""Waiting: who follows the log is woken by commits, never misses one, and is told only what is committed."""

# ruff: noqa: D102, S101

from __future__ import annotations

import asyncio

import pytest

from everfold.errors import StoreClosed
from everfold.log.engine import Engine
from everfold.testing.contracts.engine_case import EngineCase, fresh, one, stored, to_stream

__all__ = ["Waiting"]

PATIENCE = 30


class Waiting(EngineCase):
    """Promise 3: a reader at the tail never skips and is never left waiting for a commit (A9, A14)."""

    async def test_the_head_is_told_at_once(self, engine: Engine) -> None:
        assert await engine.wait(-1) == 0
        await stored(engine, to_stream("thing-a", *fresh(amount=3)))
        assert await engine.wait(-1) == 3
        assert await engine.wait(2) == 3

    async def test_a_commit_wakes_those_who_wait(self, engine: Engine) -> None:
        waiting = [asyncio.create_task(engine.wait(beyond)) for beyond in (0, 0, 1)]
        await asyncio.sleep(0)
        await stored(engine, to_stream("thing-a", *fresh(amount=2)))
        async with asyncio.timeout(PATIENCE):
            assert await asyncio.gather(*waiting) == [2, 2, 2]

    async def test_a_commit_that_is_not_far_enough_does_not_end_the_wait(self, engine: Engine) -> None:
        waiting = asyncio.create_task(engine.wait(2))
        for _ in range(2):
            await stored(engine, to_stream("thing-a"))
            await asyncio.sleep(0)
            assert not waiting.done()
        await stored(engine, to_stream("thing-a"))
        async with asyncio.timeout(PATIENCE):
            assert await waiting == 3

    async def test_the_timeout_ends_the_wait_with_the_head_there_is(self, engine: Engine) -> None:
        await stored(engine, to_stream("thing-a"))
        assert await engine.wait(1, timeout=0) == 1
        assert await engine.wait(7, timeout=0.01) == 1

    async def test_commits_that_are_not_far_enough_do_not_prolong_the_timeout(self, engine: Engine) -> None:
        waiting = asyncio.create_task(engine.wait(1_000_000, timeout=0.05))
        async with asyncio.timeout(PATIENCE):
            while not waiting.done():
                await stored(engine, to_stream("thing-a"))
                await asyncio.sleep(0)
        assert await waiting > 0

    async def test_a_refused_write_moves_no_head(self, engine: Engine) -> None:
        await one(engine, to_stream("thing-a", expected=4))
        assert await engine.wait(0, timeout=0.01) == 0

    async def test_cancelling_one_who_waits_disturbs_nobody(self, engine: Engine) -> None:
        first, second = (asyncio.create_task(engine.wait(0)) for _ in range(2))
        await asyncio.sleep(0)
        first.cancel()
        with pytest.raises(asyncio.CancelledError):
            await first
        await stored(engine, to_stream("thing-a"))
        async with asyncio.timeout(PATIENCE):
            assert await second == 1

    async def test_closing_the_engine_ends_every_wait(self, engine: Engine) -> None:
        waiting = [asyncio.create_task(engine.wait(0)) for _ in range(3)]
        await asyncio.sleep(0)
        await engine.close()
        async with asyncio.timeout(PATIENCE):
            results = await asyncio.gather(*waiting, return_exceptions=True)
        assert [type(result) for result in results] == [StoreClosed] * 3
