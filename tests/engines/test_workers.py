"""Worker threads: jobs in order, results to those who wait, connections to one job at a time."""

import asyncio
import sqlite3
import threading
from collections.abc import Callable
from functools import partial

import pytest

from everfold.engines.worker import Worker
from everfold.engines.worker_pool import WorkerPool
from everfold.errors import StoreClosed


@pytest.fixture
def gate() -> threading.Event:
    """Holds jobs back."""
    return threading.Event()


async def test_jobs_are_done_in_order_and_answered() -> None:
    worker = Worker("test")
    done: list[int] = []
    await asyncio.gather(*(worker.do(partial(done.append, number)) for number in range(50)))
    assert done == list(range(50))
    worker.stop()


async def test_an_error_of_a_job_reaches_who_asked_and_the_worker_goes_on() -> None:
    worker = Worker("test")
    with pytest.raises(ZeroDivisionError):
        await worker.do(lambda: 1 // 0)
    assert await worker.do(lambda: 7) == 7
    worker.stop()


async def test_a_failing_job_that_nobody_waits_for_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    worker = Worker("test")
    worker.post(lambda: 1 // 0)
    worker.post(lambda: None)
    assert await worker.do(lambda: 7) == 7
    worker.stop()
    assert caplog.text.count("background job") == 1


async def test_a_cancelled_caller_does_not_stop_the_job(gate: threading.Event) -> None:
    worker = Worker("test")
    done: list[str] = []

    def job() -> None:
        gate.wait()
        done.append("done")

    asking = asyncio.create_task(worker.do(job))
    await asyncio.sleep(0)
    asking.cancel()
    gate.set()
    worker.stop()
    await asyncio.sleep(0)
    assert asking.cancelled()
    assert done == ["done"]


def test_a_job_that_ends_after_its_event_loop_is_forgotten(gate: threading.Event) -> None:
    worker = Worker("test")

    async def ask_and_leave() -> None:
        asking = asyncio.create_task(worker.do(gate.wait))
        await asyncio.sleep(0)
        asking.cancel()

    asyncio.run(ask_and_leave())
    gate.set()
    worker.stop()


async def test_stopping_without_waiting_still_ends_the_thread(gate: threading.Event) -> None:
    worker = Worker("test")
    worker.post(gate.wait)
    worker.stop(wait=False)
    gate.set()
    worker.stop()


def connections(count: int) -> list[sqlite3.Connection]:
    """Connections as the engine makes them."""
    return [sqlite3.connect(":memory:", check_same_thread=False) for _ in range(count)]


async def test_a_connection_does_one_job_at_a_time_even_if_callers_are_cancelled() -> None:
    pool = WorkerPool(connections(2))
    busy: set[int] = set()

    def job(connection: sqlite3.Connection) -> None:
        assert id(connection) not in busy
        busy.add(id(connection))
        connection.execute("SELECT 1").fetchall()
        busy.discard(id(connection))

    asking = [asyncio.create_task(pool.do(job)) for _ in range(200)]
    for number, task in enumerate(asking):
        if number % 3 == 0:
            await asyncio.sleep(0)
            task.cancel()
    results = await asyncio.gather(*asking, return_exceptions=True)
    assert {type(result) for result in results} <= {type(None), asyncio.CancelledError}
    assert await pool.do(lambda connection: connection.execute("SELECT 7").fetchone()) == (7,)
    await pool.close()


async def test_a_worker_whose_caller_was_cancelled_is_busy_until_its_job_ends(gate: threading.Event) -> None:
    pool = WorkerPool(connections(2))
    slow = asyncio.create_task(pool.do(lambda _: gate.wait()))
    await asyncio.sleep(0)
    slow.cancel()
    for _ in range(5):
        assert await pool.do(lambda _: 7) == 7  # always the other one: behind the slow job it would wait for ever
    gate.set()
    await pool.close()


async def test_closing_finishes_what_was_taken_and_refuses_what_comes_later(gate: threading.Event) -> None:
    pool = WorkerPool(connections(1))
    begun = asyncio.create_task(pool.do(lambda _: gate.wait()))
    await asyncio.sleep(0)
    waiting = [asyncio.create_task(pool.do(lambda _: True)) for _ in range(3)]
    await asyncio.sleep(0)
    closing = asyncio.create_task(pool.close())
    await asyncio.sleep(0)
    with pytest.raises(StoreClosed):
        await pool.do(lambda _: True)
    gate.set()
    await closing
    assert await asyncio.gather(begun, *waiting) == [True] * 4


async def test_results_that_come_together_wake_the_loop_once(
    gate: threading.Event, monkeypatch: pytest.MonkeyPatch
) -> None:
    pool = WorkerPool(connections(1))
    calls: list[object] = []
    loop = asyncio.get_running_loop()
    call = loop.call_soon_threadsafe

    def count(callback: Callable[[], object]) -> object:
        calls.append(callback)
        return call(callback)

    monkeypatch.setattr(loop, "call_soon_threadsafe", count)
    asking = [asyncio.create_task(pool.do(lambda _: gate.wait())) for _ in range(50)]
    await asyncio.sleep(0)
    done = threading.Event()
    last = asyncio.create_task(pool.do(lambda _: done.set()))
    await asyncio.sleep(0)
    gate.set()
    done.wait()  # and the loop with it, so that the results pile up
    await asyncio.gather(*asking)
    await last
    assert len(calls) <= 2
    monkeypatch.undo()
    await pool.close()


async def test_a_job_whose_caller_has_gone_is_not_begun(gate: threading.Event) -> None:
    pool = WorkerPool(connections(1))
    done: list[int] = []
    first = asyncio.create_task(pool.do(lambda _: gate.wait()))
    second = asyncio.create_task(pool.do(lambda _: done.append(2)))
    await asyncio.sleep(0)
    second.cancel()
    await asyncio.sleep(0)
    gate.set()
    await first
    await pool.close()
    assert done == []


async def test_closing_that_is_cancelled_closes_all_the_same(gate: threading.Event) -> None:
    made = connections(2)
    pool = WorkerPool(made)
    begun = asyncio.create_task(pool.do(lambda _: gate.wait()))
    await asyncio.sleep(0)
    closing = asyncio.create_task(pool.close())
    await asyncio.sleep(0)
    gate.set()
    closing.cancel()
    with pytest.raises(asyncio.CancelledError):
        await closing
    assert await begun is True
    for connection in made:
        with pytest.raises(sqlite3.ProgrammingError):
            connection.execute("SELECT 1")
