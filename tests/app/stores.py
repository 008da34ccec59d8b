"""Where the apps of these tests keep their records: in memory, or in a SQLite file. Several apps may share one."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from everfold import App
from everfold.engines.memory.engine import MemoryEngine
from everfold.log.engine import Engine
from everfold.log.record import Record
from everfold.log.write import Conflicted, Outcome, Write

StoreMaker = Callable[[], "str | Engine"]


class SharedMemory(MemoryEngine):
    """A memory engine that several apps may use at once: it is not closed with the first of them."""

    async def close(self) -> None:
        pass


class Watched(SharedMemory):
    """Counts what it is asked for, can be made to fail, and can hold an append back."""

    def __init__(self) -> None:
        super().__init__()
        self.batches: list[int] = []
        self.stream_reads = 0
        self.failures: list[BaseException] = []
        self.late_failures: list[BaseException] = []
        self.conflicts = 0
        self.read_failures: list[Exception] = []
        self.is_held = False
        self.arrived = asyncio.Event()
        self.let_go = asyncio.Event()

    async def append(self, writes: Sequence[Write]) -> Sequence[Outcome]:
        self.batches.append(len(writes))
        self.arrived.set()
        if self.is_held:
            await self.let_go.wait()
        if self.failures:
            raise self.failures.pop(0)
        if self.conflicts:
            self.conflicts -= 1
            return [Conflicted("Somebody was faster.", stream="account-a1", expected=0, actual=1) for _ in writes]
        outcomes = await super().append(writes)
        if self.late_failures:
            raise self.late_failures.pop(0)
        return outcomes

    async def read_stream(self, stream: str, **span: Any) -> Sequence[Record]:
        self.stream_reads += 1
        if self.read_failures:
            raise self.read_failures.pop()
        return await super().read_stream(stream, **span)

    async def arrival(self) -> None:
        """Wait until an append has arrived; not for ever, should the test be wrong."""
        async with asyncio.timeout(30):
            await self.arrived.wait()


@pytest.fixture(params=["memory", "sqlite"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> StoreMaker:
    """Gives the same store to every app that asks for it."""
    return kept_store(request, tmp_path)


def kept_store(request: pytest.FixtureRequest, tmp_path: Path) -> StoreMaker:
    """The store of the kind that the fixture's parameter names."""
    if request.param == "sqlite":
        return lambda: str(tmp_path / "store.db")
    if request.param == "postgres":
        url: str = request.getfixturevalue("postgres_url")
        return lambda: url
    engine = SharedMemory()
    return lambda: engine


@pytest.fixture
def watched() -> Watched:
    return Watched()


async def contents(app: App) -> list[Record]:
    """Everything that is stored."""
    return [record async for record in app.store.records()]
