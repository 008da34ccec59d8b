"""The frozen clock: nothing passes by itself."""

import asyncio
from datetime import UTC, datetime, timedelta

import pytest

from everfold.app.application import App
from everfold.cli.demo_bank import Account, OpenAccount
from everfold.clock import to_micros
from everfold.testing import FrozenClock


def test_it_stands_still_until_it_is_moved() -> None:
    clock = FrozenClock(datetime(2031, 5, 1, tzinfo=UTC))
    assert (clock.now, clock.monotonic()) == (datetime(2031, 5, 1, tzinfo=UTC), 0.0)
    clock.advance(90)
    clock.advance(timedelta(hours=1))
    assert (clock.now, clock.monotonic()) == (datetime(2031, 5, 1, 1, 1, 30, tzinfo=UTC), 3690.0)
    assert clock.micros() == to_micros(clock.now)
    with pytest.raises(ValueError, match="never goes back"):
        clock.advance(-1)


async def test_sleepers_wake_in_the_order_of_their_deadlines() -> None:
    clock, woken = FrozenClock(), list[str]()

    async def sleeper(name: str, seconds: float) -> None:
        await clock.sleep(seconds)
        woken.append(name)

    tasks = [
        asyncio.create_task(sleeper(name, seconds)) for name, seconds in (("late", 3), ("early", 1), ("never", 99))
    ]
    await clock.sleep(0)
    assert clock.sleepers == 3
    clock.advance(3)
    await asyncio.gather(*tasks[:2])
    assert (woken, clock.sleepers) == (["early", "late"], 1)
    tasks[2].cancel()
    await asyncio.wait(tasks[2:])
    await clock.elapse(200)
    assert woken == ["early", "late"]


async def test_time_elapses_from_deadline_to_deadline() -> None:
    clock, beats = FrozenClock(), list[float]()

    async def heart() -> None:
        while True:
            await clock.sleep(10)
            beats.append(clock.monotonic())

    task = asyncio.create_task(heart())
    await clock.elapse(35)
    assert (beats, clock.monotonic()) == ([10.0, 20.0, 30.0], 35.0)
    task.cancel()


def test_records_carry_its_time(clock: FrozenClock) -> None:
    with App("bank", Account, store="memory:", clock=clock).blocking() as bank:
        bank.execute(OpenAccount(account_id="a", owner="Ann"))
        clock.advance(60)
        bank.execute(OpenAccount(account_id="b", owner="Bob"))
        times = [record.time for _, record in bank.read()]
    assert times[1] - times[0] == timedelta(minutes=1)


def test_it_can_be_moved_from_another_thread() -> None:
    clock = FrozenClock()

    async def waits_first() -> float:
        task = asyncio.create_task(clock.sleep(0.5))
        await asyncio.sleep(0)
        await asyncio.get_running_loop().run_in_executor(None, clock.advance, 60)
        await task
        return clock.monotonic()

    assert asyncio.run(waits_first()) == 60.0
