"""Answers: as fresh as asked for, from the cache while nothing has changed, and as it was at any position or time."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing
from datetime import timedelta
from typing import Any

import pytest

from everfold import App, Position, Projection, Query, Record, Table, answer, project
from everfold.clock import from_micros
from everfold.errors import NotFound, ReadModelBehind, ReadModelNotReady
from everfold.projections.answer_cache import AnswerCache
from everfold.projections.projection import Mode
from tests.app.bank import Opened, Paid, Pay
from tests.app.stores import StoreMaker
from tests.projections.gate import gate
from tests.projections.ledger import (
    UNLUCKY,
    AllRows,
    Balance,
    ByOwner,
    GetBalance,
    Owner,
    caught_up,
    eventually,
    folded,
    ledger_app,
)
from tests.projections.tables import tables_in

MODES = pytest.mark.parametrize("mode", ["async", "inline", "live"])


async def open_account(app: App, account: str = "a1", owner: str = "Ann") -> Position:
    await app.store.append(f"account-{account}", Opened(owner=owner))
    return Position(await app.store.head())


async def pay(app: App, amount: int, account: str = "a1") -> Position:
    await app.store.append(f"account-{account}", Paid(amount=amount))
    return Position(await app.store.head())


# --- one's own writes


@MODES
async def test_one_reads_ones_own_write(store: StoreMaker, mode: Mode) -> None:
    async with ledger_app(store, mode=mode) as app:
        await open_account(app)
        for number in range(1, 20):
            done = await pay(app, 1)
            assert (await app.ask(GetBalance(account="a1"), after=done)).balance == number


async def test_who_waits_too_long_is_told_where_it_stands(store: StoreMaker, monkeypatch: pytest.MonkeyPatch) -> None:
    async with ledger_app(store) as app:
        await caught_up(app)
        with gate(monkeypatch, build=1) as held:
            await open_account(app)
            done = await pay(app, 1)
            for _ in range(2):
                with pytest.raises(ReadModelBehind, match=r"'ledger'.*did not get there within 0\.01 s") as behind:
                    await app.ask(AllRows(), after=done, timeout=0.01)
                assert (behind.value.wanted, behind.value.reached) == (2, 0)
            assert await app.ask(AllRows()) == ([], []), "without after= it is told what is there"
            held.open.set()
            assert (await app.ask(GetBalance(account="a1"), after=done)).balance == 1


async def test_nobody_waits_for_one_that_is_paused(store: StoreMaker) -> None:
    async with ledger_app(store, read_timeout=1_000.0) as app:
        await caught_up(app)
        await app.projections.pause("ledger", "a look at it")
        done = await open_account(app)
        async with asyncio.timeout(20):
            with pytest.raises(ReadModelBehind, match=r"it is paused \(a look at it\)"):
                await app.ask(AllRows(), after=done)
        assert await app.ask(AllRows()) == ([], [])


async def test_what_is_set_aside_is_not_waited_for(store: StoreMaker) -> None:
    """The projection is past it, and yet does not know it."""
    async with ledger_app(store) as app:
        await open_account(app)
        before = await pay(app, 1)
        unlucky = await app.execute(Pay(account="a1", amount=UNLUCKY))
        await open_account(app, "a2")
        await caught_up(app)
        with pytest.raises(ReadModelBehind, match="an event of the stream 'account-a1' was set aside") as behind:
            await app.ask(AllRows(), after=unlucky)
        assert (behind.value.wanted, behind.value.reached) == (3, 2)
        assert (await app.ask(GetBalance(account="a1"), after=before)).balance == 1


async def test_before_anybody_has_run_it(store: StoreMaker) -> None:
    async with ledger_app(store, role="server") as server:
        done = await open_account(server)
        with pytest.raises(ReadModelNotReady, match="do not exist yet"):
            await server.ask(AllRows())
        with pytest.raises(ReadModelNotReady, match="do not exist yet"):
            await server.ask(AllRows(), after=done, timeout=0.01)
        waiting = asyncio.create_task(server.ask(AllRows(), after=done, timeout=20))
        await asyncio.sleep(0)
        async with ledger_app(store):
            assert (await waiting)[0] == [Balance("a1", "Ann")]


async def test_another_process_is_waited_for(store: StoreMaker) -> None:
    async with ledger_app(store), ledger_app(store, role="server") as server:
        await open_account(server)
        for number in range(1, 5):
            done = await pay(server, 1)
            assert (await server.ask(GetBalance(account="a1"), after=done)).balance == number


# --- the cache


class Counting(Projection, name="counting"):
    """Tells how often it was asked."""

    balances: Table[Balance]
    asked = 0

    @project
    def opened(self, event: Opened, record: Record) -> None:
        self.balances.put(Balance(record.key, event.owner))

    @answer(cached=True)
    def by_owner(self, query: ByOwner) -> list[Balance]:
        Counting.asked += 1
        return self.balances.find(owner=query.owner)


async def test_an_answer_is_kept_until_the_tables_change(store: StoreMaker) -> None:
    Counting.asked = 0
    async with ledger_app(store, Counting) as app:
        await open_account(app)
        ann = ByOwner(owner="Ann")
        found = await app.ask(ann, after=Position(1))
        found[0].balance = 1_000
        assert await app.ask(ann) == [Balance("a1", "Ann")], "nobody changes what the next one gets"
        assert Counting.asked == 1
        assert await app.ask(ByOwner(owner="Bob")) == []
        assert Counting.asked == 2
        done = await pay(app, 1)  # nothing that the projection handles
        assert await app.ask(ann, after=done) == [Balance("a1", "Ann")]
        assert Counting.asked == 2
        done = await open_account(app, "a2")
        assert len(await app.ask(ann, after=done)) == 2
        assert Counting.asked == 3
        await app.projections.rebuild("counting")
        assert len(await app.ask(ann)) == 2
        assert Counting.asked == 4


async def test_what_is_retried_makes_kept_answers_old(store: StoreMaker) -> None:
    async with ledger_app(store) as app:
        await open_account(app)
        await pay(app, UNLUCKY)
        await caught_up(app)
        ann = ByOwner(owner="Ann")
        assert (await app.ask(ann))[0].balance == 0
        await app.projections.substitute("ledger", 2, '{"amount":7}', reason="a typing error")
        assert (await app.ask(ann))[0].balance == 7


class Ask(Query[list[int]]):
    number: int


class AskSet(Query[set[int]]):
    pass


def test_the_oldest_answers_are_forgotten() -> None:
    cache, made = AnswerCache(2), 0

    def make() -> list[int]:
        nonlocal made
        made += 1
        return [made]

    assert [cache.get(Ask(number=number), 1, make) for number in (1, 2, 1, 2)] == [[1], [2], [1], [2]]
    assert cache.get(Ask(number=3), 1, make) == [3]
    assert cache.get(Ask(number=2), 1, make) == [2]
    assert cache.get(Ask(number=1), 1, make) == [4], "it was the oldest"
    assert cache.get(Ask(number=1), 2, make) == [5], "of another version"


@pytest.mark.parametrize("value", [object(), ["no number"], (1, 2), {"x": 1}])
def test_what_would_come_back_otherwise_is_not_kept(value: Any) -> None:
    cache, made = AnswerCache(5), 0

    def make() -> Any:
        nonlocal made
        made += 1
        return value

    for _ in range(2):
        assert cache.get(Ask(number=1), 1, make) is value
    assert made == 2
    assert cache.get(AskSet(), 1, lambda: {1}) == {1}
    assert cache.get(AskSet(), 1, lambda: {2}) == {1}


# --- as it was


@MODES
async def test_as_it_was_at_every_position(store: StoreMaker, mode: Mode) -> None:
    async with ledger_app(store, mode=mode) as app:
        await open_account(app)
        for _ in range(5):
            await pay(app, 1)
        await open_account(app, "a2", "Bob")
        live = await caught_up(app)
        for position in [3, 7, 0, 1, 6, 6, 2]:
            assert await app.ask(AllRows(), as_of=Position(position)) == (await folded(app, position)).rows()
        assert await app.ask(AllRows(), as_of=Position(99)) == live
        with pytest.raises(NotFound, match="There is no Balance 'a2'"):
            await app.ask(GetBalance(account="a2"), as_of=Position(6))
        assert await app.ask(AllRows()) == live


async def test_as_it_was_at_a_time(store: StoreMaker) -> None:
    async with ledger_app(store) as app:
        await open_account(app)
        await pay(app, 1)
        records = [record async for record in app.store.records()]
        times = [from_micros(record.recorded) for record in records]
        assert await app.ask(AllRows(), as_of=times[0] - timedelta(seconds=1)) == ([], [])
        assert (await app.ask(GetBalance(account="a1"), as_of=times[1])).balance == 1


async def test_the_live_tables_are_not_touched_and_need_not_exist(
    store: StoreMaker, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with ledger_app(store, role="server") as server:
        await open_account(server)
        await pay(server, 3)
        assert (await server.ask(GetBalance(account="a1"), as_of=Position(2))).balance == 3
        tables = await server.store.engine.views.read(tables_in)
        assert not [name for name in tables if name.startswith(("balance", "owner"))]
        assert await server.ask(AllRows(), as_of=Position(1)) == ([Balance("a1", "Ann")], [Owner("Ann", 1)])


# --- watching


async def following(answers: AsyncGenerator[Any, None]) -> Any:
    async with asyncio.timeout(20):
        return await anext(answers)


@MODES
async def test_watching_gives_the_answer_and_a_new_one_when_it_has_changed(store: StoreMaker, mode: Mode) -> None:
    async with ledger_app(store, mode=mode) as app:
        done = await open_account(app)
        async with aclosing(app.watch(GetBalance(account="a1"), after=done)) as answers:
            assert (await following(answers)).balance == 0
            for number in range(1, 4):
                waiting = asyncio.create_task(following(answers))
                await open_account(app, f"b{number}")  # which changes another answer
                await pay(app, 1)
                assert (await waiting).balance == number


async def test_watching_what_another_process_projects(store: StoreMaker) -> None:
    async with ledger_app(store), ledger_app(store, role="server") as server:
        done = await open_account(server)
        async with aclosing(server.watch(GetBalance(account="a1"), after=done)) as answers:
            assert (await following(answers)).balance == 0
            waiting = asyncio.create_task(following(answers))
            await pay(server, 1)
            assert (await waiting).balance == 1


async def test_watching_a_projection_that_is_changed_otherwise(store: StoreMaker) -> None:
    async with ledger_app(store) as app:
        await open_account(app)
        await pay(app, UNLUCKY)
        await caught_up(app)
        async with aclosing(app.watch(GetBalance(account="a1"))) as answers:
            assert (await following(answers)).balance == 0
            waiting = asyncio.create_task(following(answers))
            await app.projections.substitute("ledger", 2, '{"amount":7}', reason="a typing error")
            assert (await waiting).balance == 7


async def test_watching_raises_what_asking_raises(store: StoreMaker) -> None:
    async with ledger_app(store) as app:
        await caught_up(app)
        with pytest.raises(NotFound, match="There is no Balance 'a1'"):
            await following(app.watch(GetBalance(account="a1")))


async def test_watching_a_function_that_answers(store: StoreMaker) -> None:
    """It may read anything: it is asked again after every event."""

    class CountEvents(Query[int]):
        pass

    async with ledger_app(store) as probe:
        await open_account(probe)
    app = App("bank", events=[Opened, Paid], store=store())

    @app.answers(CountEvents)
    async def count(query: CountEvents) -> int:
        return int(await app.store.head())

    async with app, aclosing(app.watch(CountEvents())) as answers:
        assert await following(answers) == 1
        waiting = asyncio.create_task(following(answers))
        await pay(app, 1)
        assert await waiting == 2


async def test_everything_can_be_waited_for_at_once(store: StoreMaker) -> None:
    async with ledger_app(store) as app:
        await open_account(app)

        async def is_live() -> bool:
            (status,) = await app.projections.statuses()
            return (status.state, status.lag) == ("live", 0)

        await eventually(is_live)
        assert await app.ask(AllRows()) == (await folded(app)).rows()
