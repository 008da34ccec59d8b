"""Limits for many tasks at once: what takes too long is ended, what is cancelled otherwise stays cancelled."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from everfold import deadlines as module
from everfold.deadlines import deadline


@pytest.fixture(params=["with a timer of its own", "looked after with others"])
def seconds(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> float:
    """A limit that is short in both ways of keeping it."""
    monkeypatch.setattr(module, "TICK", 0.01)
    monkeypatch.setattr(module, "SHORT", 0.0 if "others" in request.param else 1.0)
    return 0.02


async def test_what_takes_too_long_is_ended(seconds: float) -> None:
    limit = deadline(seconds)
    with pytest.raises(TimeoutError) as caught, limit:
        await asyncio.Event().wait()
    assert limit.expired()
    assert isinstance(caught.value.__cause__, asyncio.CancelledError)


async def test_what_ends_in_time_is_left_alone(seconds: float) -> None:
    with deadline(seconds) as limit:
        await asyncio.sleep(0)
    await asyncio.sleep(3 * seconds)
    assert not limit.expired()


async def test_a_cancellation_by_others_is_no_timeout(seconds: float) -> None:
    entered = asyncio.Event()

    async def work() -> None:
        with deadline(5):
            entered.set()
            await asyncio.Event().wait()

    task = asyncio.create_task(work())
    await entered.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_cancelled_by_both_it_stays_cancelled(seconds: float) -> None:
    async def work() -> None:
        limit = deadline(5)
        with limit:
            task = asyncio.current_task()
            assert task is not None
            limit.expire()
            task.cancel()
            await asyncio.Event().wait()

    task = asyncio.create_task(work())
    with pytest.raises(asyncio.CancelledError):
        await task
    assert task.cancelled()


async def test_an_error_in_the_block_passes(seconds: float) -> None:
    with pytest.raises(ZeroDivisionError), deadline(seconds):
        _ = 1 // 0


async def test_limits_within_limits(seconds: float) -> None:
    with deadline(5) as outer:
        with pytest.raises(TimeoutError), deadline(seconds):
            await asyncio.Event().wait()
        await asyncio.sleep(0)
    assert not outer.expired()


async def test_of_many_only_those_are_ended_whose_time_is_over(seconds: float) -> None:
    ended: list[int] = []
    is_over = asyncio.Event()

    async def work(number: int) -> None:
        try:
            with deadline(seconds if number % 2 else 30):
                await is_over.wait()
        except TimeoutError:
            ended.append(number)

    tasks = [asyncio.create_task(work(number)) for number in range(100)]
    await asyncio.wait(tasks[1::2])
    is_over.set()
    await asyncio.gather(*tasks)
    assert sorted(ended) == list(range(1, 100, 2))


def test_one_thread_may_run_one_event_loop_after_the_other(seconds: float) -> None:

    async def work() -> None:
        with pytest.raises(TimeoutError), deadline(seconds):
            await asyncio.Event().wait()

    asyncio.run(work())
    asyncio.run(work())


async def test_nothing_ticks_when_nothing_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "TICK", 0.001)
    with deadline(30):
        pass
    await asyncio.sleep(0.02)
    loop, calls = asyncio.get_running_loop(), list[Any]()
    call_later = loop.call_later

    def count(seconds: float, callback: Callable[..., Any], *arguments: Any) -> Any:
        calls.append(callback)
        return call_later(seconds, callback, *arguments)

    monkeypatch.setattr(loop, "call_later", count)
    await asyncio.sleep(0.02)
    assert len(calls) <= 1  # that of this very sleep


def test_a_limit_is_for_a_task() -> None:
    async def main() -> None:
        failed: asyncio.Future[BaseException] = asyncio.get_running_loop().create_future()

        def enter() -> None:
            try:
                with deadline(5):
                    pass
            except RuntimeError as error:
                failed.set_result(error)

        asyncio.get_running_loop().call_soon(enter)
        assert "for a task" in str(await failed)

    asyncio.run(main())
