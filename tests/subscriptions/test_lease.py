"""Leases: one owner at a time, taken over in time, with fencing tokens that only grow."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from functools import partial
from typing import Any, TypeVar

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from everfold.engines.memory.engine import MemoryEngine
from everfold.errors import OutcomeUnknown, StoreBusy
from everfold.log.engine import Engine
from everfold.log.read_database import ReadDatabase
from everfold.subscriptions.bookkeeping import prepare
from everfold.subscriptions.lease import Lease, Leases
from everfold.testing import FrozenClock

T = TypeVar("T")
SECONDS = 10.0


@pytest.fixture
def clock() -> FrozenClock:
    return FrozenClock()


@pytest.fixture
def database(engine: Engine) -> ReadDatabase:
    return engine.views


def leases(database: ReadDatabase, clock: FrozenClock, owner: str) -> Leases:
    return Leases(database, owner=owner, seconds=SECONDS, clock=clock)


async def test_one_has_it_and_the_other_waits_until_it_is_over(database: ReadDatabase, clock: FrozenClock) -> None:
    ann, bob = leases(database, clock, "ann"), leases(database, clock, "bob")
    first = await ann.take("x")
    assert first == Lease("x", 1)
    assert await bob.take("x") is None
    assert await bob.take("y") == Lease("y", 1)
    clock.advance(SECONDS - 0.000001)
    assert await bob.take("x") is None
    clock.advance(0.000001)
    assert await bob.take("x") == Lease("x", 2)
    assert not await ann.renew(Lease("x", 1)), "somebody else has it by now"
    holder = await ann.holder("x")
    assert holder
    assert holder.owner == "bob"


async def test_renewing_keeps_it(database: ReadDatabase, clock: FrozenClock) -> None:
    ann, bob = leases(database, clock, "ann"), leases(database, clock, "bob")
    lease = await ann.take("x")
    assert lease
    for _ in range(5):
        clock.advance(SECONDS - 1)
        assert await ann.renew(lease)
        assert await bob.take("x") is None
    clock.advance(SECONDS + 1)
    assert await ann.renew(lease), "late, but nobody was faster"
    assert await bob.take("x") is None


async def test_what_is_released_is_free_at_once(database: ReadDatabase, clock: FrozenClock) -> None:
    ann, bob = leases(database, clock, "ann"), leases(database, clock, "bob")
    lease = await ann.take("x")
    assert lease
    await ann.release(lease)
    second = await bob.take("x")
    assert second == Lease("x", 2)
    await ann.release(lease)
    assert await ann.take("x") is None, "an old lease releases nothing"
    assert await bob.holder("nothing") is None


async def test_many_want_it_and_one_gets_it(database: ReadDatabase, clock: FrozenClock) -> None:
    found = await asyncio.gather(*[leases(database, clock, str(number)).take("x") for number in range(10)])
    assert [lease for lease in found if lease] == [Lease("x", 1)]


# --- cancelled while it is being taken


class Slow:
    """A database whose writes take effect, and whose callers hear of it when they are told to."""

    def __init__(self, database: ReadDatabase, *, error: Exception | None = None) -> None:
        self.dialect = database.dialect
        self.is_written = asyncio.Event()
        self.let_go = asyncio.Event()
        self.writes = 0
        self._database = database
        self._error = error

    async def read(self, job: Callable[[Any], T]) -> T:
        return await self._database.read(job)

    def glance(self, job: Callable[[Any], T]) -> T:
        return self._database.glance(job)

    async def write(self, job: Callable[[Any], T]) -> T:
        self.writes += 1
        result = await self._database.write(job)
        self.is_written.set()
        await self.let_go.wait()
        if self._error is not None:
            raise self._error
        return result


async def cancelled_take(slow: Slow, clock: FrozenClock) -> asyncio.Task[Lease | None]:
    """A task that was cancelled between the grant in the database and its arrival."""
    taking = asyncio.create_task(leases(slow, clock, "ann").take("x"))
    async with asyncio.timeout(10):
        await slow.is_written.wait()
        taking.cancel()
        await asyncio.sleep(0)
        slow.let_go.set()
        await asyncio.wait([taking])
    return taking


async def test_whoever_is_cancelled_hands_back_what_it_is_granted(database: ReadDatabase, clock: FrozenClock) -> None:
    taking = await cancelled_take(Slow(database), clock)
    assert taking.cancelled()
    assert await leases(database, clock, "bob").take("x") == Lease("x", 2), "at once, and with a higher token"


async def test_whoever_is_cancelled_leaves_a_lease_of_others_alone(database: ReadDatabase, clock: FrozenClock) -> None:
    bob = leases(database, clock, "bob")

    class Late(Slow):
        async def read(self, job: Callable[[Any], T]) -> T:
            found = await super().read(job)
            assert await bob.take("x")  # between the look and the attempt
            return found

    slow = Late(database)
    taking = await cancelled_take(slow, clock)
    assert taking.cancelled()
    assert slow.writes == 1, "nothing to hand back"
    assert await bob.renew(Lease("x", 1))


@pytest.mark.parametrize("error", [StoreBusy("locked"), OutcomeUnknown("who knows"), RuntimeError("a bug")])
async def test_an_error_does_not_hide_that_it_was_cancelled(
    database: ReadDatabase, clock: FrozenClock, error: Exception
) -> None:
    """Whoever waits for the end of a task that goes on instead would wait for ever."""
    assert (await cancelled_take(Slow(database, error=error), clock)).cancelled()


@given(st.lists(st.tuples(st.sampled_from("abc"), st.sampled_from(["take", "renew", "release"]), st.integers(0, 12))))
@settings(max_examples=40, deadline=None)
def test_tokens_only_grow_and_one_owner_is_alive(steps: list[tuple[str, str, int]]) -> None:
    async def run() -> None:
        clock = FrozenClock()
        engine = MemoryEngine()
        await engine.open()
        await engine.views.write(partial(prepare, dialect="sqlite"))
        owners = {name: leases(engine.views, clock, name) for name in "abc"}
        held: dict[str, tuple[Lease, int]] = {}
        newest = 0
        for name, what, seconds in steps:
            clock.advance(seconds)
            now = clock.micros()
            if what == "take":
                lease = await owners[name].take("x")
                if lease:
                    assert lease.token == newest + 1
                    assert not [other for other, (_, until) in held.items() if until > now]
                    newest, held[name] = lease.token, (lease, now + int(SECONDS * 1e6))
            elif name in held:
                lease, _ = held[name]
                if what == "release":
                    await owners[name].release(lease)
                    del held[name]
                elif await owners[name].renew(lease):
                    assert lease.token == newest
                    held[name] = (lease, now + int(SECONDS * 1e6))
                else:
                    assert lease.token < newest
                    del held[name]
        await engine.close()

    asyncio.run(run())
