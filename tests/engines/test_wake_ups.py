"""Wake-ups within a process do not depend on polling, which is for the commits of others."""

import asyncio
from pathlib import Path

import pytest

from everfold.engines.sqlite import engine as sqlite_engine
from everfold.engines.sqlite.engine import SqliteEngine
from everfold.testing.contracts.engine_case import stored, to_stream


async def test_a_commit_here_wakes_without_polling(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sqlite_engine, "POLL_SECONDS", 3_600)
    engine = SqliteEngine(tmp_path / "log.db")
    await engine.open()
    waiting = asyncio.create_task(engine.wait(0))
    await asyncio.sleep(0)
    await stored(engine, to_stream("thing-a"))
    async with asyncio.timeout(20):
        assert await waiting == 1
    await engine.close()
