"""What all parts of the suite share: the engine under test, and short ways to write to it."""

# ruff: noqa: S101

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import AsyncGenerator
from itertools import count
from pathlib import Path

import pytest
import pytest_asyncio

from everfold.log.engine import Engine
from everfold.log.record import NewRecord, Record
from everfold.log.selection import EVERYTHING
from everfold.log.write import Appended, Outcome, StreamAppend, Write

__all__ = ["EngineCase", "fresh", "one", "positions", "stored", "to_stream", "whole_log"]

_numbers = count(1)


@pytest.mark.asyncio
class EngineCase(ABC):
    """Base of every part. The fixture ``engine`` is open and closed again after the test."""

    @abstractmethod
    async def make_engine(self, folder: Path) -> Engine:
        """An engine, not yet open, whose storage (if any) lies in this folder."""

    @pytest_asyncio.fixture(loop_scope="function")
    async def engine(self, tmp_path: Path) -> AsyncGenerator[Engine]:
        """The open engine."""
        engine = await self.make_engine(tmp_path)
        await engine.open()
        try:
            yield engine
        finally:
            await engine.close()


def fresh(
    type: str = "moved", *, tags: tuple[str, ...] = (), data: str = "{}", amount: int = 1
) -> tuple[NewRecord, ...]:
    """This many new records with unique, rising ids."""
    return tuple(
        NewRecord(type, 1, f"00000000-0000-7000-8000-{next(_numbers):012x}", data, "{}", tags) for _ in range(amount)
    )


def to_stream(stream: str, *records: NewRecord, expected: int | None = None) -> Write:
    """A write of these records (by default one) to one stream."""
    return Write(appends=(StreamAppend(stream, records or fresh(), expected),))


async def one(engine: Engine, write: Write) -> Outcome:
    """What becomes of this write alone."""
    (outcome,) = await engine.append([write])
    return outcome


async def stored(engine: Engine, *writes: Write) -> list[Appended]:
    """Append writes that must all be stored, in one batch."""
    outcomes = await engine.append(writes)
    assert len(outcomes) == len(writes)
    accepted = [outcome for outcome in outcomes if isinstance(outcome, Appended)]
    assert accepted == list(outcomes)
    return accepted


async def positions(engine: Engine) -> list[int]:
    """All positions of the log."""
    return [record.position for record in await whole_log(engine)]


async def whole_log(engine: Engine) -> list[Record]:
    """All records of the log."""
    return list(await engine.read(EVERYTHING, limit=100_000))
