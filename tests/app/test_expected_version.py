"""A command may say at which version its caller saw the aggregate: then it has one effect there, or none."""

from __future__ import annotations

import pytest

from everfold import Aggregate, App, Command, Conflict, Event, Events, NotFound, Repository, decide, evolve
from everfold.errors import InvalidMessage
from tests.app.bank import Account, Open, Pay, Settle, balance, bank
from tests.app.stores import StoreMaker, Watched
from tests.app.test_decision_models import Course, OpenCourse


async def test_a_command_is_executed_at_the_version_that_it_expects(store: StoreMaker) -> None:
    async with bank(store) as app:
        opened = await app.execute(Open(account="a1"), expected=0)
        paid = await app.execute(Pay(account="a1", amount=5), expected=opened.version)
        assert paid.version == 2
        for wrong in (0, 1, 3):
            with pytest.raises(Conflict, match=f"is at version 2 and not at {wrong}") as caught:
                await app.execute(Pay(account="a1", amount=5), expected=wrong)
            assert (caught.value.stream, caught.value.expected, caught.value.actual) == ("account-a1", wrong, 2)
        assert await balance(app, "a1") == 5


async def test_also_what_records_nothing_is_only_said_of_that_version(store: StoreMaker) -> None:
    async with bank(store) as app:
        await app.execute(Open(account="a1"))
        assert (await app.execute(Settle(account="a1"), expected=1)).reply == "nothing to settle"
        with pytest.raises(Conflict):
            await app.execute(Settle(account="a1"), expected=2)


async def test_a_kept_state_that_is_behind_is_no_reason_to_refuse(store: StoreMaker) -> None:
    async with bank(store) as app, bank(store) as other:
        await app.execute(Open(account="a1"))
        await other.execute(Pay(account="a1", amount=1))
        done = await app.execute(Pay(account="a1", amount=1), expected=2)
        assert done.version == 3


async def test_nor_is_a_kept_state_that_is_behind_a_reason_to_accept(store: StoreMaker) -> None:
    async with bank(store) as app, bank(store) as other:
        await app.execute(Open(account="a1"))
        await other.execute(Pay(account="a1", amount=1))
        with pytest.raises(Conflict, match="is at version 2 and not at 1"):
            await app.execute(Pay(account="a1", amount=1), expected=1)
        assert await balance(app, "a1") == 1


async def test_a_repeated_command_gets_its_outcome_whatever_the_version_is_now(store: StoreMaker) -> None:
    async with bank(store) as app:
        await app.execute(Open(account="a1"))
        first = await app.execute(Pay(account="a1", amount=5), idempotency_key="k", expected=1)
        again = await app.execute(Pay(account="a1", amount=5), idempotency_key="k", expected=1)
        assert (again.repeated, again.position, again.reply) == (True, first.position, 5)


async def test_a_conflict_is_not_tried_again_for_ever(watched: Watched) -> None:
    async with bank(lambda: watched) as app:
        await app.execute(Open(account="a1"))
        watched.conflicts = 1  # and then the version is the one expected after all
        assert (await app.execute(Pay(account="a1", amount=5), expected=1)).version == 2


class Double(Command[int]):
    account: str


async def test_a_function_expects_it_of_the_first_aggregate_that_it_loads(store: StoreMaker) -> None:
    app = App("bank", Account, store=store())

    @app.handles(Double)
    async def double(command: Double, accounts: Repository[Account]) -> int:
        account = await accounts.get(command.account)
        await accounts.get("another")
        return int(await accounts.decide(Pay(account=command.account, amount=account.balance)))

    async with app:
        await app.execute(Open(account="a1"))
        await app.execute(Pay(account="a1", amount=5))
        assert (await app.execute(Double(account="a1"), expected=2)).reply == 10
        with pytest.raises(Conflict):
            await app.execute(Double(account="a1"), expected=2)


def test_the_blocking_app_passes_it_on(store: StoreMaker) -> None:
    with App("bank", Account, store=store()).blocking() as app:
        app.execute(Open(account="a1"), expected=0)
        with pytest.raises(Conflict):
            app.execute(Pay(account="a1", amount=1), expected=0)


async def test_what_is_decided_over_tags_has_no_version_to_expect(store: StoreMaker) -> None:
    async with App("school", Course, store=store()) as app:
        with pytest.raises(InvalidMessage, match="no one version is expected"):
            await app.execute(OpenCourse(course_id="c1", seats=1), expected=0)
        assert await app.store.head() == 0


class Stocked(Event):
    pass


class Stock(Command):
    thing: str


class Sell(Command):
    thing: str


class Thing(Aggregate, key="thing"):
    is_there: bool = False

    @decide
    def stock(self, command: Stock) -> Events:
        yield Stocked()

    @decide
    def sell(self, command: Sell) -> Events[None]:
        if not self.is_there:
            raise NotFound("thing", command.thing)
        yield Stocked()

    @evolve
    def stocked(self, event: Stocked) -> None:
        self.is_there = True


async def test_that_something_is_not_there_is_said_of_the_newest_state_only(store: StoreMaker) -> None:
    async with App("shop", Thing, store=store()) as app, App("shop", Thing, store=store()) as other:
        with pytest.raises(NotFound):
            await app.execute(Sell(thing="t1"))  # and keeps a state without it
        await other.execute(Stock(thing="t1"))
        assert (await app.execute(Sell(thing="t1"))).version == 2
