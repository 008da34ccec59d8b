"""Load, decide, append, and decide again: what is stored, what is answered, and what the kept state is afterwards."""

from __future__ import annotations

import asyncio
import gc
import random
import weakref

import pytest

from everfold import App, Conflict, OutcomeUnknown, Rejected
from everfold.errors import BrokenRule, InvalidEvent, StoreFull
from everfold.store.transact import RetryPolicy
from tests.app.bank import (
    Account,
    Break,
    Note,
    Open,
    Opened,
    Paid,
    Pay,
    PayAndTake,
    PayTwice,
    Settle,
    Take,
    Took,
    balance,
    bank,
)
from tests.app.stores import StoreMaker, Watched, contents


async def test_done_tells_the_reply_the_place_and_what_was_recorded(store: StoreMaker) -> None:
    async with bank(store) as app:
        await app.execute(Open(account="other"))
        opened = await app.execute(Open(account="a1", owner="Bob"))
        assert (opened.reply, opened.position, opened.version, opened.stream) == (None, 2, 1, "account-a1")
        assert opened.events == (Opened(owner="Bob"),)
        paid = await app.execute(PayTwice(account="a1", amounts=[3, 4]))
        assert (paid.position, paid.version, paid.events) == (4, 3, (Paid(amount=3), Paid(amount=4)))
        assert (await app.execute(Pay(account="a1", amount=1))).reply == 8
        assert not paid.repeated


async def test_a_decision_that_records_nothing_is_done_at_the_version_it_saw(store: StoreMaker) -> None:
    async with bank(store) as app:
        await app.execute(Open(account="a1"))
        done = await app.execute(Settle(account="a1"))
        assert (done.reply, done.events, done.version, done.position) == ("nothing to settle", (), 1, 1)
        new = await app.execute(Settle(account="new"))
        assert (new.version, new.position, new.stream) == (0, 0, "account-new")


async def test_a_refusal_stores_nothing(store: StoreMaker) -> None:
    async with bank(store) as app:
        await app.execute(Open(account="a1"))
        with pytest.raises(Rejected) as refusal:
            await app.execute(Open(account="a1"))
        assert (refusal.value.reason, refusal.value.facts) == ("is-open", {"owner": "Ann"})
        assert await app.store.head() == 1


async def test_a_refusal_after_a_yield_leaves_nothing_in_the_kept_state(store: StoreMaker) -> None:
    async with bank(store) as app:
        await app.execute(Pay(account="a1", amount=5))
        for _ in range(2):
            with pytest.raises(Rejected) as refusal:
                await app.execute(PayAndTake(account="a1", pay=10, take=100))
            assert refusal.value.facts == {"balance": 15}
        assert (await app.execute(Pay(account="a1", amount=1))).reply == 6
        assert await app.store.head() == 2


async def test_a_recorded_refusal_is_stored_before_it_is_raised(store: StoreMaker) -> None:
    async with bank(store) as app:
        with pytest.raises(Rejected, match="The balance is 0"):
            await app.execute(Take(account="a1", amount=5))
        assert [record.type for record in await contents(app)] == ["refused"]
        assert (await app.load(Account, "a1")).refusals == 1
        assert (await app.execute(Pay(account="a1", amount=5))).version == 2


async def test_refusals_leave_no_garbage_that_is_never_collected(store: StoreMaker) -> None:
    left: list[weakref.ref[Rejected]] = []

    async def be_refused(app: App) -> None:
        try:
            await app.execute(Take(account="a1", amount=5))
        except Rejected as refusal:
            left.append(weakref.ref(refusal))

    async with bank(store) as app:
        for _ in range(5):
            await asyncio.create_task(be_refused(app))
        gc.collect()
        assert [refusal() for refusal in left] == [None] * 5


async def test_a_command_decided_on_a_stale_state_is_decided_again(store: StoreMaker) -> None:
    async with bank(store) as one, bank(store) as two:
        await one.execute(Pay(account="a1", amount=10))
        await two.execute(Take(account="a1", amount=4))
        assert (await one.execute(Pay(account="a1", amount=1))).reply == 7
        assert (await two.execute(Take(account="a1", amount=7))).reply == 0


async def test_a_refusal_by_a_stale_state_is_decided_again_on_the_newest(store: StoreMaker) -> None:
    async with bank(store) as one, bank(store) as two:
        await one.execute(Pay(account="a1", amount=1))
        await two.execute(Pay(account="a1", amount=9))
        assert (await one.execute(PayAndTake(account="a1", pay=1, take=11))).version == 4
        assert await balance(two) == 0


async def test_a_refusal_that_holds_on_the_newest_state_tells_the_newest_facts(store: StoreMaker) -> None:
    async with bank(store) as one, bank(store) as two:
        await one.execute(Pay(account="a1", amount=1))
        await two.execute(Pay(account="a1", amount=9))
        with pytest.raises(Rejected) as refusal:
            await one.execute(PayAndTake(account="a1", pay=1, take=100))
        assert refusal.value.facts == {"balance": 11}


async def test_a_skip_by_a_stale_state_is_decided_again_on_the_newest(store: StoreMaker) -> None:
    async with bank(store) as one, bank(store) as two:
        await one.execute(Open(account="a1"))
        await two.execute(Pay(account="a1", amount=9))
        assert (await one.execute(Settle(account="a1"))).reply == "settled"
        done = await two.execute(Settle(account="a1"))
        assert (done.reply, done.version) == ("nothing to settle", 3)


async def test_120_concurrent_payments_to_one_account_all_succeed(store: StoreMaker) -> None:
    async with bank(store) as app:
        done = await asyncio.gather(*(app.execute(Pay(account="a1", amount=1)) for _ in range(120)))
        assert sorted(each.version for each in done) == list(range(1, 121))
        assert [each.reply for each in done] == [each.version for each in done]
        assert await balance(app) == 120


async def test_concurrent_payments_through_two_apps_all_succeed(store: StoreMaker) -> None:
    async with bank(store) as one, bank(store) as two:
        apps = [one, two] * 20
        await asyncio.gather(*(app.execute(Pay(account="a1", amount=1)) for app in apps))
        assert await balance(one) == 40


class Pauses:
    """A clock that never waits, and remembers how long it should have."""

    def __init__(self) -> None:
        self.slept: list[float] = []

    async def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)

    def micros(self) -> int:
        return 1_700_000_000_000_000

    def monotonic(self) -> float:
        return 0.0


async def test_conflicts_are_retried_until_the_command_succeeds(watched: Watched) -> None:
    clock = Pauses()
    async with bank(lambda: watched, clock=clock, retry_attempts=5) as app:
        watched.conflicts = 4
        assert (await app.execute(Pay(account="a1", amount=1))).reply == 1
        assert len(clock.slept) == 4


async def test_retries_are_bounded_and_end_in_a_conflict(watched: Watched) -> None:
    clock = Pauses()
    async with bank(lambda: watched, clock=clock, retry_attempts=3) as app:
        watched.conflicts = 3
        with pytest.raises(Conflict) as conflict:
            await app.execute(Pay(account="a1", amount=1))
        assert (conflict.value.stream, conflict.value.expected, conflict.value.actual) == ("account-a1", 0, 1)
        assert len(clock.slept) == 2
        assert await app.store.head() == 0
        assert (await app.execute(Pay(account="a1", amount=1))).reply == 1


def test_pauses_double_up_to_a_bound_and_are_drawn_at_random() -> None:
    policy = RetryPolicy(attempts=8, first_pause=1.0, longest_pause=5.0)
    pauses = [list(policy.pauses(random.Random(seed))) for seed in range(200)]
    longest = [max(column) for column in zip(*pauses, strict=True)]
    assert len(longest) == 7
    assert all(most <= bound for most, bound in zip(longest, [1, 2, 4, 5, 5, 5, 5], strict=True))
    assert all(most > bound * 0.9 for most, bound in zip(longest, [1, 2, 4, 5, 5, 5, 5], strict=True))
    assert pauses[0] != pauses[1]


@pytest.mark.parametrize(
    ("how", "error"),
    [("bug", ZeroDivisionError), ("bad value", InvalidEvent), ("no evolve", BrokenRule), ("no event", BrokenRule)],
)
async def test_a_decision_that_breaks_half_way_stores_nothing_and_spoils_nothing(
    store: StoreMaker, how: str, error: type[Exception]
) -> None:
    async with bank(store) as app:
        await app.execute(Pay(account="a1", amount=5))
        with pytest.raises(error):
            await app.execute(Break(account="a1", how=how))
        assert await app.store.head() == 1
        assert (await app.execute(Pay(account="a1", amount=1))).reply == 6


async def test_a_decision_that_changes_the_state_itself_is_caught_in_development(store: StoreMaker) -> None:
    async with bank(store, checks=True) as app:
        await app.execute(Pay(account="a1", amount=5))
        with pytest.raises(BrokenRule, match="changed the state itself"):
            await app.execute(Break(account="a1", how="direct"))
        assert await app.store.head() == 1
        assert (await app.execute(Pay(account="a1", amount=1))).reply == 6


async def test_an_engine_that_fails_stores_nothing_and_spoils_nothing(watched: Watched) -> None:
    async with bank(lambda: watched) as app:
        await app.execute(Pay(account="a1", amount=5))
        watched.failures.append(StoreFull("The disk is full."))
        with pytest.raises(StoreFull):
            await app.execute(Pay(account="a1", amount=10))
        assert (await app.execute(Pay(account="a1", amount=1))).reply == 6


@pytest.mark.parametrize("was_stored", [True, False])
async def test_after_an_unknown_outcome_the_next_decision_sees_what_is_true(watched: Watched, was_stored: bool) -> None:
    async with bank(lambda: watched) as app:
        await app.execute(Pay(account="a1", amount=5))
        failures = watched.late_failures if was_stored else watched.failures
        failures.append(OutcomeUnknown("Contact was lost."))
        with pytest.raises(OutcomeUnknown):
            await app.execute(Pay(account="a1", amount=10))
        assert (await app.execute(Pay(account="a1", amount=1))).reply == (16 if was_stored else 6)


@pytest.mark.parametrize("was_stored", [True, False])
async def test_after_an_unknown_outcome_the_same_key_has_one_effect(watched: Watched, was_stored: bool) -> None:
    async with bank(lambda: watched) as app:
        failures = watched.late_failures if was_stored else watched.failures
        failures.append(OutcomeUnknown("Contact was lost."))
        with pytest.raises(OutcomeUnknown):
            await app.execute(Pay(account="a1", amount=10), idempotency_key="k1")
        done = await app.execute(Pay(account="a1", amount=10), idempotency_key="k1")
        assert (done.reply, done.version, done.repeated) == (10, 1, was_stored)
        assert await app.store.head() == 1


async def test_a_caller_cancelled_while_waiting_for_its_turn_changes_nothing(watched: Watched) -> None:
    async with bank(lambda: watched) as app:
        watched.is_held = True
        first = asyncio.create_task(app.execute(Pay(account="a1", amount=1)))
        await watched.arrival()
        second = asyncio.create_task(app.execute(Pay(account="a1", amount=10)))
        await asyncio.sleep(0)
        second.cancel()
        with pytest.raises(asyncio.CancelledError):
            await second
        watched.let_go.set()
        assert (await first).reply == 1
        assert (await app.execute(Pay(account="a1", amount=1))).reply == 2


async def test_a_caller_cancelled_during_its_commit_leaves_the_next_one_a_true_state(watched: Watched) -> None:
    async with bank(lambda: watched) as app:
        await app.execute(Pay(account="a1", amount=5))
        watched.is_held = True
        watched.arrived.clear()
        leaving = asyncio.create_task(app.execute(Pay(account="a1", amount=10)))
        await watched.arrival()
        leaving.cancel()
        with pytest.raises(asyncio.CancelledError):
            await leaving
        watched.let_go.set()
        assert (await app.execute(Pay(account="a1", amount=1))).reply == 16


async def test_what_a_state_holds_on_to_is_never_the_command_or_the_event(store: StoreMaker) -> None:
    async with bank(store) as app:
        command = Note(account="a1", lines=["one"])
        done = await app.execute(command)
        assert command.lines == ["one"]
        assert [getattr(event, "lines", None) for event in done.events] == [["one"], ["end"]]
        assert [record.data for record in await contents(app)] == ['{"lines":["one"]}', '{"lines":["end"]}']
        await app.execute(Note(account="a1", lines=["two"]))
        assert [getattr(event, "lines", None) for event in done.events] == [["one"], ["end"]]
        assert (await app.load(Account, "a1")).lines == ["one", "end", "two", "end"]


async def test_a_retried_command_is_the_one_that_was_sent(watched: Watched) -> None:
    async with bank(lambda: watched, clock=Pauses()) as app:
        watched.conflicts = 3
        await app.execute(Note(account="a1", lines=["one"]))
        assert (await app.load(Account, "a1")).lines == ["one", "end"]


async def test_a_kept_state_saves_reading_the_stream_again(watched: Watched) -> None:
    async with bank(lambda: watched) as app:
        await app.execute(Pay(account="a1", amount=1))
        watched.stream_reads = 0
        for _ in range(5):
            await app.execute(Pay(account="a1", amount=1))
        assert watched.stream_reads == 0


async def test_a_decision_on_a_long_stream_sees_all_of_it(store: StoreMaker) -> None:
    async with bank(store) as app:
        await app.execute(PayTwice(account="a1", amounts=[1] * 2_500))
        async with bank(store) as fresh:
            assert (await fresh.execute(Pay(account="a1", amount=1))).reply == 2_501
            assert (await fresh.execute(Settle(account="a1"))).events == (Took(amount=2_501),)
