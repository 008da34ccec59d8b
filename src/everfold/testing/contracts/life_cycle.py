"""Life cycle: opening and closing are forgiving, and a closed engine says so."""

# ruff: noqa: D102, S101

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from everfold.errors import StoreClosed
from everfold.log.engine import Engine
from everfold.log.selection import EVERYTHING
from everfold.log.write import Appended
from everfold.testing.contracts.engine_case import EngineCase, stored, to_stream, whole_log

__all__ = ["LifeCycle"]

USES: dict[str, Callable[[Engine], Awaitable[object]]] = {
    "append": lambda engine: engine.append([to_stream("thing-a")]),
    "read": lambda engine: engine.read(EVERYTHING, limit=1),
    "read_stream": lambda engine: engine.read_stream("thing-a", limit=1),
    "wait": lambda engine: engine.wait(-1),
    "snapshot": lambda engine: engine.snapshot("thing-a"),
    "reply": lambda engine: engine.reply("k"),
    "checkpoint": lambda engine: engine.checkpoint("c"),
    "streams": lambda engine: engine.streams(limit=1),
    "replies": lambda engine: engine.replies(limit=1),
    "checkpoints": lambda engine: engine.checkpoints(),
    "restore": lambda engine: engine.restore([]),
    "verify": lambda engine: engine.verify(after=0, limit=1),
}


async def _do(use: Awaitable[object]) -> object:
    return await use


class LifeCycle(EngineCase):
    """Promise 1 at the edges: what was accepted is finished, what comes later is refused (A1, A2)."""

    @pytest.mark.parametrize("use", USES.values(), ids=USES)
    async def test_an_engine_that_is_not_open_says_so(
        self, tmp_path: Path, use: Callable[[Engine], Awaitable[object]]
    ) -> None:
        engine = await self.make_engine(tmp_path)
        with pytest.raises(StoreClosed):
            await use(engine)
        await engine.open()
        await engine.close()
        with pytest.raises(StoreClosed):
            await use(engine)

    async def test_opening_and_closing_twice_is_fine(self, engine: Engine) -> None:
        await stored(engine, to_stream("thing-a"))
        await engine.open()
        assert len(await whole_log(engine)) == 1
        await engine.close()
        await engine.close()

    async def test_opening_and_closing_concurrently_is_fine(self, tmp_path: Path) -> None:
        engine = await self.make_engine(tmp_path)
        await asyncio.gather(*(engine.open() for _ in range(4)))
        await stored(engine, to_stream("thing-a"))
        await asyncio.gather(*(engine.close() for _ in range(4)))

    async def test_closing_finishes_the_appends_that_were_accepted(self, engine: Engine) -> None:
        appending = [asyncio.create_task(engine.append([to_stream(f"thing-{n}")])) for n in range(20)]
        await asyncio.sleep(0)
        await engine.close()
        outcomes = [outcome for (outcome,) in await asyncio.gather(*appending)]
        assert all(isinstance(outcome, Appended) for outcome in outcomes)

    async def test_reads_under_way_when_the_engine_closes_end(self, engine: Engine) -> None:
        await stored(engine, to_stream("thing-a"))
        reading = [asyncio.create_task(engine.read(EVERYTHING, limit=10)) for _ in range(20)]
        await asyncio.sleep(0)
        await engine.close()
        async with asyncio.timeout(30):
            results = await asyncio.gather(*reading, return_exceptions=True)
        errors = [result for result in results if isinstance(result, BaseException)]
        assert all(isinstance(error, StoreClosed) for error in errors)

    async def test_a_cancelled_caller_disturbs_nobody(self, engine: Engine) -> None:
        for number in range(10):
            cancelled: list[asyncio.Task[object]] = [
                asyncio.create_task(_do(engine.append([to_stream("thing-a")]))),
                asyncio.create_task(_do(engine.read(EVERYTHING, limit=10))),
            ]
            await asyncio.sleep(0)
            for task in cancelled:
                task.cancel()
            await asyncio.gather(*cancelled, return_exceptions=True)
            await stored(engine, to_stream("thing-b"))
            assert len(await engine.read_stream("thing-b", limit=100)) == number + 1
        log = await whole_log(engine)
        assert [record.position for record in log] == list(range(1, len(log) + 1))
