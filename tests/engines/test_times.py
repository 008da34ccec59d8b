"""A clock that steps back: the times of records never do (A13), within an engine and when it is opened again."""

from collections.abc import Callable
from pathlib import Path

import pytest

from everfold.clock import Clock, SystemClock
from everfold.engines.memory.engine import MemoryEngine
from everfold.engines.sqlite.engine import SqliteEngine
from everfold.log.engine import Engine
from everfold.testing.contracts.engine_case import stored, to_stream, whole_log


class ClockThatStepsBack(SystemClock):
    """Every look at it shows an earlier time."""

    def __init__(self, start: int) -> None:
        self._now = start

    def micros(self) -> int:
        """A second less than the last time."""
        self._now -= 1_000_000
        return self._now


def memory(path: Path, clock: Clock) -> Engine:
    return MemoryEngine(clock=clock)


def sqlite(path: Path, clock: Clock) -> Engine:
    return SqliteEngine(path, clock=clock)


@pytest.mark.parametrize("make", [memory, sqlite])
async def test_times_do_not_step_back_with_the_clock(tmp_path: Path, make: Callable[[Path, Clock], Engine]) -> None:
    engine = make(tmp_path / "log.db", ClockThatStepsBack(2_000_000_000_000_000))
    await engine.open()
    for _ in range(4):
        await stored(engine, to_stream("thing-a"))
    assert {record.recorded for record in await whole_log(engine)} == {1_999_999_999_000_000}
    await engine.close()


async def test_times_do_not_step_back_when_opened_again(tmp_path: Path) -> None:
    for start in (2_000_000_000_000_000, 1_000_000_000_000_000):
        engine = SqliteEngine(tmp_path / "log.db", clock=ClockThatStepsBack(start))
        await engine.open()
        await stored(engine, to_stream("thing-a"))
        log = await whole_log(engine)
        await engine.close()
    assert [record.recorded for record in log] == [1_999_999_999_000_000] * 2
