"""A subscription drives a consumer that does as it is told: retries, events set aside, pauses, leases, outages."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from functools import partial

import pytest

from everfold.clock import SystemClock
from everfold.errors import OutcomeUnknown, StoreBusy, StoreClosed, StoreError
from everfold.subscriptions.backoff import Backoff
from everfold.subscriptions.bookkeeping import prepare
from everfold.subscriptions.lease import Leases
from everfold.subscriptions.life_cycle import Signal, State
from everfold.subscriptions.subscription import STREAMS_TO_DOUBT, Fenced, Moved, Paused, Subscription
from tests.subscriptions.following import Log, Scripted

POISON = Backoff(first=0.001, longest=0.001, attempts=3)
OUTAGE = Backoff(first=0.001, longest=0.001)
NAME = "scripted"


@pytest.fixture
async def log() -> AsyncGenerator[Log]:
    engine = Log()
    await engine.open()
    await engine.views.write(partial(prepare, dialect="sqlite"))
    yield engine
    await engine.close()


@pytest.fixture
def consumer() -> Scripted:
    return Scripted(name=NAME)


def subscribe(log: Log, consumer: Scripted, *, owner: str = "one", seconds: float = 0.2) -> Subscription:
    clock = SystemClock()
    leases = Leases(log.views, owner=owner, seconds=seconds, clock=clock)
    return Subscription(
        consumer, engine=log, leases=leases, clock=clock, rng=random.Random(1), poison=POISON, outage=OUTAGE
    )


@asynccontextmanager
async def running(subscription: Subscription) -> AsyncGenerator[asyncio.Task[None]]:
    task = asyncio.create_task(subscription.run())
    try:
        yield task
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def until(condition: Callable[[], object], *, of: Subscription | None = None) -> None:
    async with asyncio.timeout(10):
        while not condition():
            assert of is None or of.state is not State.STOPPED, "it has died"
            await asyncio.sleep(0.001)


async def test_it_catches_up_goes_live_and_stops(log: Log, consumer: Scripted) -> None:
    await log.add(*"aaa")
    assert subscribe(log, consumer).state is State.NEW
    subscription = subscribe(log, consumer)
    async with running(subscription):
        await until(lambda: subscription.state is State.LIVE)
        assert consumer.handled == [1, 2, 3]
        await log.add("a")
        await until(lambda: consumer.handled == [1, 2, 3, 4])
        await until(lambda: subscription.status.position == subscription.status.head == 4)
        assert consumer.caught
    assert subscription.state is State.STOPPED
    holder = await Leases(log.views, owner="x", seconds=1, clock=SystemClock()).holder(NAME)
    assert holder
    assert holder.expires == 0, "the lease is given back"


async def test_stopping_leaves_no_task(log: Log, consumer: Scripted) -> None:
    before = asyncio.all_tasks()
    for _ in range(3):
        async with running(subscribe(log, consumer)) as task:
            await asyncio.sleep(0.003)
        assert task.done()
        await asyncio.sleep(0)
        await asyncio.sleep(0)
    assert asyncio.all_tasks() == before


async def test_what_fails_is_tried_again(log: Log, consumer: Scripted) -> None:
    await log.add(*"aaa")
    consumer.failures = {2: 2}
    subscription = subscribe(log, consumer)
    async with running(subscription):
        await until(lambda: consumer.handled == [1, 2, 3])
        await until(lambda: subscription.state is State.LIVE)
        assert consumer.parked == []
        assert subscription.status.problem is None


async def test_what_keeps_failing_is_set_aside_and_the_others_go_on(
    log: Log, consumer: Scripted, caplog: pytest.LogCaptureFixture
) -> None:
    await log.add(*"aaaa")
    consumer.failures = {1: 100, 3: 100}
    subscription = subscribe(log, consumer)
    async with running(subscription):
        await until(lambda: subscription.state is State.LIVE)
    assert consumer.handled == [2, 4]
    assert consumer.parked == [(1, 3), (3, 3)]
    assert "gave up on the event at position 3 of things-1 and set it aside: no" in caplog.text


async def test_when_it_fails_on_every_stream_it_doubts_itself(log: Log, consumer: Scripted) -> None:
    for number in range(STREAMS_TO_DOUBT + 3):
        await log.add("a", stream=f"things-{number}")
    consumer.failures = dict.fromkeys(range(1, 100), 100)
    subscription = subscribe(log, consumer)
    async with running(subscription):
        await until(lambda: subscription.state is State.PAUSED)
        assert len(consumer.parked) == STREAMS_TO_DOUBT - 1
        assert consumer.paused
        assert "on the events of 5 streams in a row, last at position 5: ValueError: no" in consumer.paused
        assert subscription.status.problem == consumer.paused
        consumer.failures.clear()
        consumer.paused = None
        subscription.nudge()
        await until(lambda: consumer.handled == [5, 6, 7, 8])
        await until(lambda: subscription.state is State.LIVE)


@pytest.mark.parametrize("page", [1, 100])
async def test_one_success_between_dispels_the_doubt(log: Log, consumer: Scripted, page: int) -> None:
    for number in range(2 * STREAMS_TO_DOUBT):
        await log.add("a", stream=f"things-{number}")
    consumer.failures = dict.fromkeys([1, 2, 3, 4, 6, 7, 8, 9], 100)
    subscription = subscribe(log, consumer)
    async with running(subscription):
        await until(lambda: subscription.state is State.LIVE)
    assert (consumer.handled, consumer.paused) == ([5, 10], None)
    assert page


async def test_the_same_stream_again_and_again_is_no_reason_to_doubt(log: Log, consumer: Scripted) -> None:
    await log.add(*"a" * 10)
    consumer.failures = dict.fromkeys(range(1, 11), 100)
    subscription = subscribe(log, consumer)
    async with running(subscription):
        await until(lambda: subscription.state is State.LIVE)
    assert len(consumer.parked) == 10


async def test_pausing_and_resuming(log: Log, consumer: Scripted) -> None:
    await log.add("a")
    subscription = subscribe(log, consumer)
    async with running(subscription):
        await until(lambda: subscription.state is State.LIVE)
        consumer.paused = "a look at it"
        await log.add("a")
        await until(lambda: subscription.state is State.PAUSED)
        assert subscription.status.problem == "a look at it"
        subscription.nudge()
        await asyncio.sleep(0.01)
        assert consumer.handled == [1]
        consumer.paused = None
        subscription.nudge()
        await until(lambda: consumer.handled == [1, 2])
        assert subscription.status.problem is None


async def test_it_may_begin_paused(log: Log, consumer: Scripted) -> None:
    await log.add("a")
    consumer.paused = "from the start"
    subscription = subscribe(log, consumer)
    async with running(subscription):
        await until(lambda: subscription.state is State.PAUSED)
        consumer.paused = None
        subscription.nudge()
        await until(lambda: subscription.state is State.LIVE)


@pytest.mark.parametrize(
    "error", [StoreBusy("locked"), OutcomeUnknown("who knows"), RuntimeError("a bug"), Fenced(), Moved()]
)
async def test_nothing_that_happens_during_a_pause_ends_it(log: Log, consumer: Scripted, error: Exception) -> None:
    await log.add("a")
    consumer.paused = "a look at it"
    subscription = subscribe(log, consumer)
    async with running(subscription):
        await until(lambda: subscription.state is State.PAUSED)
        consumer.errors["resume"] = [error]
        subscription.nudge()
        await until(lambda: not consumer.errors["resume"])
        await asyncio.sleep(0.005)
        consumer.paused = None
        subscription.nudge()
        await until(lambda: consumer.handled == [1] and subscription.state is State.LIVE, of=subscription)


@pytest.mark.parametrize("method", ["prepare", "resume", "consume", "caught_up"])
@pytest.mark.parametrize("error", [StoreBusy("locked"), OutcomeUnknown("who knows"), RuntimeError("a bug")])
async def test_outages_are_waited_out_and_nothing_is_set_aside(
    log: Log, consumer: Scripted, method: str, error: Exception
) -> None:
    await log.add(*"aaa")
    consumer.errors[method] = [error] * 30
    subscription = subscribe(log, consumer)
    async with running(subscription):
        await until(lambda: subscription.status.problem)
        await until(lambda: not consumer.errors[method], of=subscription)
        await until(lambda: subscription.state is State.LIVE and subscription.status.problem is None, of=subscription)
    assert consumer.parked == []
    assert set(consumer.handled) == {1, 2, 3}


async def test_an_outage_of_the_log_is_waited_out(log: Log, consumer: Scripted) -> None:
    await log.add(*"aaa")
    log.read_failures = [StoreError("the disk")] * 10
    subscription = subscribe(log, consumer)
    async with running(subscription):
        await until(lambda: subscription.state is State.LIVE, of=subscription)
    assert consumer.handled == [1, 2, 3]


@pytest.mark.parametrize("method", ["prepare", "resume", "consume"])
async def test_a_closed_store_ends_it(log: Log, consumer: Scripted, method: str) -> None:
    consumer.errors[method] = [StoreClosed("closed")]
    await log.add("a")
    subscription = subscribe(log, consumer)
    async with running(subscription) as task, asyncio.timeout(10):
        await task
    assert subscription.state is State.STOPPED


async def test_a_store_that_is_closed_during_a_pause_ends_it(log: Log, consumer: Scripted) -> None:
    consumer.paused = "a look at it"
    subscription = subscribe(log, consumer)
    async with running(subscription) as task, asyncio.timeout(10):
        await until(lambda: subscription.state is State.PAUSED)
        consumer.errors["resume"] = [StoreClosed("closed")]
        await task


@pytest.mark.parametrize("method", ["resume", "consume", "park"])
async def test_whoever_is_fenced_lets_go_and_begins_anew(log: Log, consumer: Scripted, method: str) -> None:
    await log.add("a")
    consumer.failures = {1: 3} if method == "park" else {}
    consumer.errors[method] = [Fenced()]
    subscription = subscribe(log, consumer)
    async with running(subscription):
        await until(lambda: consumer.prepared == 2, of=subscription)
        await until(lambda: consumer.handled == [1], of=subscription)
    assert consumer.tokens == sorted(set(consumer.tokens)), "each time under a higher token"


@pytest.mark.parametrize("method", ["consume", "park", "caught_up"])
async def test_whoever_was_moved_goes_on_from_there(log: Log, consumer: Scripted, method: str) -> None:
    await log.add(*"aaa")
    consumer.failures = {2: 3} if method == "park" else {}
    consumer.errors[method] = [Moved()]
    subscription = subscribe(log, consumer)
    async with running(subscription):
        await until(lambda: subscription.state is State.LIVE and set(consumer.handled) == {1, 2, 3}, of=subscription)


async def test_a_pause_that_the_consumer_asks_for_while_it_retries(log: Log, consumer: Scripted) -> None:
    await log.add(*"aa")
    consumer.failures = {2: 1}
    consumer.errors["consume"] = []
    subscription = subscribe(log, consumer)
    async with running(subscription):
        await until(lambda: subscription.state is State.RETRYING or consumer.handled == [1, 2])
        consumer.errors["consume"] = [Paused("now")]
        await until(lambda: subscription.state is State.LIVE and consumer.handled == [1, 2], of=subscription)


# --- leases


async def test_of_two_one_stands_by_and_takes_over(log: Log) -> None:
    first, second = Scripted(name=NAME), Scripted(name=NAME)
    one, two = subscribe(log, first), subscribe(log, second, owner="two")
    async with running(one) as task:
        await until(lambda: one.state is State.LIVE)
        async with running(two):
            await until(lambda: second.prepared >= 2)
            assert two.state is State.STANDING_BY
            task.cancel()
            await until(lambda: two.state is State.LIVE)
            assert second.tokens[0] > first.tokens[-1]


async def test_a_silent_owner_is_replaced_in_time(log: Log) -> None:
    silent = Leases(log.views, owner="silent", seconds=0.1, clock=SystemClock())
    assert await silent.take(NAME)
    subscription = subscribe(log, Scripted(name=NAME))
    async with running(subscription):
        await until(lambda: subscription.state is State.LIVE)


async def test_a_lease_that_was_lost_is_noticed(log: Log, consumer: Scripted) -> None:
    subscription = subscribe(log, consumer, seconds=0.1)
    async with running(subscription):
        await until(lambda: subscription.state is State.LIVE)

        def steal(connection: object) -> None:
            execute = connection.execute  # type: ignore[attr-defined]  # pyright: ignore
            execute("UPDATE everfold_leases SET owner = 'thief', token = token + 1, expires = expires + 100000")

        await log.views.write(steal)
        await until(lambda: subscription.state is State.STANDING_BY)
        await until(lambda: subscription.state is State.LIVE)
    assert len(consumer.tokens) == 2
    assert consumer.tokens[1] == consumer.tokens[0] + 2


@pytest.mark.parametrize("error", [StoreBusy("locked"), OutcomeUnknown("who knows"), RuntimeError("a bug")])
async def test_a_lease_that_cannot_be_renewed_for_long_is_given_up(
    log: Log, consumer: Scripted, error: Exception, monkeypatch: pytest.MonkeyPatch
) -> None:
    subscription = subscribe(log, consumer, seconds=0.05)
    failing = True
    renew = Leases.renew

    async def fail(self: Leases, lease: object) -> bool:
        if failing:
            raise error
        return await renew(self, lease)  # type: ignore[arg-type]  # pyright: ignore

    monkeypatch.setattr(Leases, "renew", fail)
    async with running(subscription):
        await until(lambda: subscription.state is State.LIVE)
        await until(lambda: len(consumer.tokens) == 2, of=subscription)
        failing = False
        await until(lambda: subscription.state is State.LIVE, of=subscription)


async def test_it_gives_way_when_it_is_asked_to(log: Log) -> None:
    first, second = Scripted(name=NAME), Scripted(name=NAME)
    one, two = subscribe(log, first, seconds=30), subscribe(log, second, owner="two", seconds=0.05)
    async with running(one):
        await until(lambda: one.state is State.LIVE)
        async with running(two):
            await until(lambda: second.prepared >= 2)
            assert two.state is State.STANDING_BY
            first.errors["prepare"] = [StoreBusy("locked")] * 1000  # it may not be the faster one
            one.give_way()
            await until(lambda: two.state is State.LIVE)
            assert one.state is State.STANDING_BY
    assert second.tokens == [2]


async def test_who_may_not_take_a_lease_stands_by(log: Log, consumer: Scripted) -> None:
    clock = SystemClock()
    leases = Leases(log.views, owner="one", seconds=0.05, clock=clock)
    allowed = False
    subscription = Subscription(
        consumer, engine=log, leases=leases, clock=clock, rng=random.Random(1), may_take=lambda: allowed
    )
    async with running(subscription):
        await until(lambda: consumer.prepared >= 3)
        assert subscription.state is State.STANDING_BY
        allowed = True
        await until(lambda: subscription.state is State.LIVE)


def test_every_signal_is_used() -> None:
    """Signals that nobody sends would be dead lines of the table."""
    import inspect

    from everfold.subscriptions import subscription

    source = inspect.getsource(subscription)
    assert [signal.name for signal in Signal if f"Signal.{signal.name}" not in source] == []
