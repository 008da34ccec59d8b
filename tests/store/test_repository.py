"""Repositories and function handlers: several aggregates in one unit of work."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from everfold import App, Command, Conflict, EventStore, Query, Rejected, Repository
from everfold.errors import BrokenRule, InvalidName
from tests.app.bank import Account, Break, Opened, Paid, Pay, PayAndTake, Refused, Settle, Take, Took, balance, bank
from tests.app.stores import StoreMaker, Watched, contents

Accounts = Repository[Account]
Work = Callable[[Accounts], Awaitable[Any]]


class Do(Command[Any]):
    """Do what the test put into the app."""


class Look(Query[object]):
    """Look at what the test put into the app."""


def doing(store: StoreMaker, work: Work, **settings: Any) -> App:
    app = App("bank", Account, store=store(), **settings)

    @app.handles(Do)
    async def do(command: Do, accounts: Repository[Account]) -> object:
        return await work(accounts)

    @app.answers(Look)
    async def look(query: Look, accounts: Repository[Account]) -> object:
        return await work(accounts)

    return app


async def types(app: App) -> list[str]:
    return [f"{record.key} {record.type}" for record in await contents(app)]


async def test_everything_of_one_handler_is_stored_in_one_append(store: StoreMaker) -> None:
    async def work(accounts: Accounts) -> None:
        await accounts.record("a1", Paid(amount=5))
        await accounts.decide(Pay(account="a2", amount=2))
        await accounts.record("a1", Took(amount=1), Took(amount=2))

    async with doing(store, work) as app:
        done = await app.execute(Do())
        assert await types(app) == ["a1 paid", "a2 paid", "a1 took", "a1 took"]
        assert {record.recorded for record in await contents(app)} == {(await contents(app))[0].recorded}
        assert done.events == (Paid(amount=5), Paid(amount=2), Took(amount=1), Took(amount=2))
        assert (done.stream, done.version, done.position) == ("account-a1", 3, 4)


async def test_nothing_is_stored_when_the_handler_fails(store: StoreMaker) -> None:
    async def work(accounts: Accounts) -> None:
        await accounts.record("a1", Paid(amount=5))
        raise Rejected("changed-my-mind")

    async with doing(store, work) as app:
        with pytest.raises(Rejected):
            await app.execute(Do())
        assert await app.store.head() == 0


async def test_a_handler_sees_what_it_recorded_and_the_version_it_loaded(store: StoreMaker) -> None:
    seen: list[object] = []

    async def work(accounts: Accounts) -> int:
        before = await accounts.get("a1")
        seen.append((before.balance, await accounts.version("a1")))
        evolved = await accounts.record("a1", Paid(amount=5))
        seen.append((evolved is before, evolved.balance, await accounts.version("a1")))
        left: int = await accounts.decide(Take(account="a1", amount=2))
        return left

    async with doing(store, work) as app:
        await app.execute(Pay(account="a1", amount=1))
        assert (await app.execute(Do())).reply == 4
        assert seen == [(1, 1), (True, 6, 1)]
        assert (await app.execute(Pay(account="a1", amount=1))).reply == 5


async def test_a_handler_runs_again_when_something_it_only_read_has_changed(store: StoreMaker) -> None:
    runs: list[int] = []

    async with bank(store) as other:

        async def work(accounts: Accounts) -> None:
            limit = (await accounts.get("limit")).balance
            runs.append(limit)
            if len(runs) == 1:
                await other.execute(Pay(account="limit", amount=7))
            await accounts.record("a1", Paid(amount=1 + limit))

        async with doing(store, work) as app:
            await app.execute(Do())
            assert runs == [0, 7]
            assert await balance(app) == 8


async def test_a_handler_that_is_always_beaten_gives_up_with_a_conflict(store: StoreMaker) -> None:
    async with bank(store) as other:

        async def work(accounts: Accounts) -> None:
            await accounts.record("a1", Paid(amount=100))
            await other.execute(Pay(account="a1", amount=1))

        async with doing(store, work, retry_attempts=3) as app:
            with pytest.raises(Conflict):
                await app.execute(Do())
            assert await balance(app) == 3


async def test_handlers_that_meet_in_one_account_all_succeed(store: StoreMaker) -> None:
    async def work(accounts: Accounts) -> None:
        await accounts.decide(Pay(account="a1", amount=1))

    async with doing(store, work) as app:
        await asyncio.gather(*(app.execute(Do()) for _ in range(20)))
        assert await balance(app) == 20


async def test_a_kept_state_notices_what_a_handler_stored(store: StoreMaker) -> None:
    async def work(accounts: Accounts) -> None:
        await accounts.record("a1", Paid(amount=5))

    async with doing(store, work) as app:
        await app.execute(Pay(account="a1", amount=1))
        await app.execute(Do())
        assert (await app.execute(Settle(account="a1"))).events == (Took(amount=6),)


async def test_one_account_asked_for_twice_at_once_is_one_account(store: StoreMaker) -> None:
    async def work(accounts: Accounts) -> None:
        await asyncio.gather(*(accounts.record("a1", Paid(amount=1)) for _ in range(5)))

    async with doing(store, work) as app:
        await app.execute(Pay(account="a1", amount=1))
        await app.execute(Do())
        assert await balance(app) == 6
        assert len(await contents(app)) == 6


async def test_a_refusal_that_the_handler_catches_leaves_what_was_before_it(store: StoreMaker) -> None:
    async def work(accounts: Accounts) -> int:
        await accounts.record("a1", Paid(amount=5))
        with pytest.raises(Rejected):
            await accounts.decide(PayAndTake(account="a1", pay=10, take=100))
        assert (await accounts.get("a1")).balance == 15
        paid: int = await accounts.decide(Pay(account="a1", amount=1))
        return paid

    async with doing(store, work) as app:
        await app.execute(Pay(account="a1", amount=10))
        assert (await app.execute(Do())).reply == 16
        assert [record.data for record in await contents(app)] == ['{"amount":10}', '{"amount":5}', '{"amount":1}']


async def test_a_bug_that_the_handler_catches_leaves_what_was_before_it(store: StoreMaker) -> None:
    async def work(accounts: Accounts) -> None:
        with pytest.raises(ZeroDivisionError):
            await accounts.decide(Break(account="a1", how="bug"))
        await accounts.decide(Pay(account="a1", amount=1))

    async with doing(store, work) as app:
        await app.execute(Do())
        assert await balance(app) == 1


async def test_a_recorded_refusal_ends_the_handler_and_is_stored(store: StoreMaker) -> None:
    async def work(accounts: Accounts) -> None:
        await accounts.decide(Take(account="a1", amount=5))
        await accounts.decide(Pay(account="a2", amount=5))

    async with doing(store, work) as app:
        with pytest.raises(Rejected) as refusal:
            await app.execute(Do())
        assert refusal.value.reason == "too-much"
        assert await types(app) == ["a1 refused"]


async def test_a_recorded_refusal_that_the_handler_catches_is_a_fact_like_others(store: StoreMaker) -> None:
    async def work(accounts: Accounts) -> str:
        try:
            return str(await accounts.decide(Take(account="a1", amount=5)))
        except Rejected:
            await accounts.decide(Pay(account="a2", amount=5))
            return "paid instead"

    async with doing(store, work) as app:
        done = await app.execute(Do())
        assert (done.reply, done.events) == ("paid instead", (Refused(amount=5), Paid(amount=5)))
        assert await types(app) == ["a1 refused", "a2 paid"]


@pytest.mark.parametrize("is_caught", [True, False])
async def test_a_recorded_refusal_after_other_events_breaks_the_rule_and_stores_nothing(
    store: StoreMaker, is_caught: bool
) -> None:
    async def work(accounts: Accounts) -> None:
        await accounts.record("a2", Paid(amount=5))
        try:
            await accounts.decide(Take(account="a1", amount=5))
        except BrokenRule:
            if not is_caught:
                raise

    async with doing(store, work) as app:
        with pytest.raises(BrokenRule, match="Decide what may refuse that way first"):
            await app.execute(Do())
        assert await app.store.head() == 0


async def test_an_event_that_the_aggregate_does_not_evolve_by_is_never_stored(store: StoreMaker) -> None:
    async def work(accounts: Accounts) -> None:
        with pytest.raises(BrokenRule, match="no @evolve for"):
            await accounts.record("a1", Elsewhere())
        await accounts.record("a1", Opened(owner="Ann"))

    app = doing(store, work)
    app.parts.events.append(Elsewhere)
    async with app:
        await app.execute(Do())
        assert await types(app) == ["a1 opened"]


class Elsewhere(Opened):
    owner: str = ""


async def test_a_query_handler_reads_and_cannot_record(store: StoreMaker) -> None:
    async def record(accounts: Accounts) -> None:
        await accounts.record("a1", Paid(amount=5))

    async def decide(accounts: Accounts) -> None:
        await accounts.decide(Pay(account="a1", amount=5))

    async def read(accounts: Accounts) -> int:
        return (await accounts.get("a1")).balance

    for work in (record, decide):
        async with doing(store, work) as app:
            with pytest.raises(BrokenRule, match="Queries change nothing"):
                await app.ask(Look())
            assert await app.store.head() == 0
    async with doing(store, read) as app:
        await app.execute(Pay(account="a1", amount=3))
        assert await app.ask(Look()) == 3


@pytest.mark.parametrize("key", ["", "a b", None, "x" * 10_000])
async def test_what_cannot_be_a_key_is_refused(store: StoreMaker, key: object) -> None:
    async def work(accounts: Accounts) -> None:
        await accounts.get(key)

    async with doing(store, work) as app:
        with pytest.raises(InvalidName):
            await app.execute(Do())


async def test_a_handler_that_only_reads_is_done_where_it_read(store: StoreMaker) -> None:
    async def work(accounts: Accounts) -> int:
        return (await accounts.get("a1")).balance

    async with doing(store, work) as app:
        await app.execute(Pay(account="a1", amount=3))
        done = await app.execute(Do())
        assert (done.events, done.stream, done.version, done.position) == ((), "account-a1", 1, 1)


async def test_a_stream_that_could_not_be_read_is_read_when_asked_for_again(watched: Watched) -> None:
    async def work(accounts: Accounts) -> int:
        with pytest.raises(OSError, match="gone"):
            await accounts.get("a1")
        return (await accounts.get("a1")).balance

    async with bank(lambda: watched) as app:
        await app.execute(Pay(account="a1", amount=3))
    watched.read_failures.append(OSError("gone"))
    async with doing(lambda: watched, work) as app:
        assert (await app.execute(Do())).reply == 3


async def test_a_handler_may_use_the_event_store_beside_the_unit_of_work(store: StoreMaker) -> None:
    app = App("bank", Account, store=store())

    @app.handles(Do)
    async def do(command: Do, events: EventStore) -> object:
        return (await events.append("account-a1", Paid(amount=2))).first

    async with app:
        assert (await app.execute(Do())).reply == 1
        assert await balance(app) == 2
