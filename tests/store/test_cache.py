"""Hot aggregates: how many states are kept, and which are dropped."""

from __future__ import annotations

import asyncio

from everfold.store.cache import HotStates
from tests.app.bank import Pay, balance, bank
from tests.app.stores import Watched


def test_the_least_recently_used_is_dropped_first() -> None:
    states = HotStates(2)
    first, second = states.entry("s-1"), states.entry("s-2")
    assert states.entry("s-1") is first
    states.entry("s-3")
    assert len(states) == 2
    assert states.entry("s-1") is first
    assert states.entry("s-2") is not second


def test_one_in_use_is_kept() -> None:
    states = HotStates(1)
    busy = states.entry("s-1")
    busy.turns.is_taken = True
    states.entry("s-2")
    assert states.entry("s-1") is busy
    assert states.entry("s-2") is not None


def test_the_newest_is_never_dropped_at_once() -> None:
    states = HotStates(0)
    assert states.entry("s-1") is states.entry("s-1")
    states.entry("s-2")
    assert len(states) == 1


def test_after_a_burst_the_size_comes_back() -> None:
    states = HotStates(10)
    burst = [states.entry(f"s-{number}") for number in range(500)]
    assert len(states) == 10
    busy = [states.entry(f"b-{number}") for number in range(100)]
    for entry in (*burst, *busy):
        entry.turns.is_taken = True
    more = [states.entry(f"m-{number}") for number in range(50)]
    assert len(states) > 10
    for entry in (*burst, *busy, *more):
        entry.turns.is_taken = False
    for number in range(100):
        states.entry(f"x-{number}")
    assert len(states) == 10


def test_a_burst_of_busy_ones_is_kept_until_they_are_done() -> None:
    states = HotStates(10)
    for number in range(200):
        states.entry(f"s-{number}").turns.is_taken = True
    assert len(states) == 200
    for number in range(200):
        states.entry(f"s-{number}").turns.is_taken = False
    for number in range(80):
        states.entry(f"x-{number}")
    assert len(states) == 10


async def test_an_app_with_a_small_cache_decides_the_same(watched: Watched) -> None:
    for size in (0, 1, 3):
        async with bank(lambda: watched, hot_aggregates=size) as app:
            accounts = [f"a{number % 7}" for number in range(70)]
            await asyncio.gather(*(app.execute(Pay(account=account, amount=1)) for account in accounts))
    async with bank(lambda: watched) as app:
        assert [await balance(app, f"a{number}") for number in range(7)] == [30] * 7


async def test_an_evicted_aggregate_is_loaded_again(watched: Watched) -> None:
    async with bank(lambda: watched, hot_aggregates=1) as app:
        for _ in range(3):
            for account in ("a1", "a2", "a3"):
                await app.execute(Pay(account=account, amount=1))
        assert watched.stream_reads == 9
        assert await balance(app, "a2") == 3
