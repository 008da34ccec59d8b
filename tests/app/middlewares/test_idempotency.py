"""Idempotency keys: one command, one effect, and the same outcome however often it is sent."""

from __future__ import annotations

import asyncio
from datetime import date
from decimal import Decimal
from typing import Any

import msgspec
import pytest

from everfold import Aggregate, App, Command, Event, Events, Rejected, Repository, decide, evolve, metadata
from everfold.errors import BrokenRule, CodecError, IdempotencyKeyReused, InvalidMessage
from tests.app.bank import Account, Open, Pay, PayTwice, Refused, Settle, Take, balance, bank
from tests.app.stores import StoreMaker, contents


def same(done: Any) -> Any:
    """The outcome without the mark that it is a repetition."""
    return msgspec.structs.replace(done, repeated=False)


async def test_a_repeated_command_has_one_effect_and_the_same_outcome(store: StoreMaker) -> None:
    async with bank(store) as app:
        await app.execute(Open(account="other"))
        first = await app.execute(PayTwice(account="a1", amounts=[3, 4]), idempotency_key="k1")
        await app.execute(Pay(account="a1", amount=1))
        again = await app.execute(PayTwice(account="a1", amounts=[3, 4]), idempotency_key="k1")
        assert again.repeated
        assert not first.repeated
        assert same(again) == first
        assert await balance(app) == 8


async def test_the_reply_and_the_outcome_survive_a_restart(store: StoreMaker) -> None:
    async with bank(store) as app:
        first = await app.execute(Pay(account="a1", amount=3), idempotency_key="k1")
    async with bank(store) as app:
        again = await app.execute(Pay(account="a1", amount=3), idempotency_key="k1")
        assert same(again) == first
        assert first.reply == 3
        assert await app.store.head() == 1


async def test_a_command_that_recorded_nothing_is_repeated_as_that(store: StoreMaker) -> None:
    async with bank(store) as app:
        await app.execute(Open(account="a1"))
        first = await app.execute(Settle(account="a1"), idempotency_key="k1")
        await app.execute(Pay(account="a1", amount=5))
        again = await app.execute(Settle(account="a1"), idempotency_key="k1")
        assert same(again) == first
        assert (again.reply, again.version, again.events) == ("nothing to settle", 1, ())
        assert await balance(app) == 5


async def test_a_command_that_recorded_nothing_in_a_new_stream_is_repeated_as_that(store: StoreMaker) -> None:
    async with bank(store) as app:
        first = await app.execute(Settle(account="a1"), idempotency_key="k1")
        assert same(await app.execute(Settle(account="a1"), idempotency_key="k1")) == first
        assert first.version == 0


async def test_callers_with_one_key_at_the_same_time_share_one_effect(store: StoreMaker) -> None:
    async with bank(store) as app:
        command = Pay(account="a1", amount=3)
        done = await asyncio.gather(*(app.execute(command, idempotency_key="k1") for _ in range(20)))
        assert {each.reply for each in done} == {3}
        assert sum(not each.repeated for each in done) == 1
        assert await balance(app) == 3


async def test_callers_with_one_key_of_a_command_that_would_refuse_its_own_effect_all_succeed(
    store: StoreMaker,
) -> None:
    async with bank(store) as one, bank(store) as two:
        apps = [one, two] * 10
        done = await asyncio.gather(*(app.execute(Open(account="a1"), idempotency_key="k1") for app in apps))
        assert {each.version for each in done} == {1}
        assert await one.store.head() == 1


async def test_the_key_of_one_command_cannot_be_used_for_another(store: StoreMaker) -> None:
    async with bank(store) as app:
        await app.execute(Pay(account="a1", amount=3), idempotency_key="k1")
        for other in (Pay(account="a1", amount=4), Pay(account="a2", amount=3), Open(account="a1")):
            with pytest.raises(IdempotencyKeyReused) as reused:
                await app.execute(other, idempotency_key="k1")
            assert reused.value.key == "k1"
        assert await app.store.head() == 1


async def test_two_commands_that_race_for_one_key_cannot_both_win(store: StoreMaker) -> None:
    async with bank(store) as app:
        commands = (Pay(account="a1", amount=3), Pay(account="a2", amount=3))
        outcomes = await asyncio.gather(
            *(app.execute(command, idempotency_key="k1") for command in commands), return_exceptions=True
        )
        assert sorted(type(outcome).__name__ for outcome in outcomes) == ["Done", "IdempotencyKeyReused"]
        assert await app.store.head() == 1


async def test_a_plain_refusal_is_decided_again(store: StoreMaker) -> None:
    async with bank(store) as app:
        await app.execute(Open(account="a1"))
        with pytest.raises(Rejected):
            await app.execute(Open(account="a1"), idempotency_key="k1")
        assert (await app.execute(Pay(account="a1", amount=3), idempotency_key="k1")).reply == 3


async def test_a_recorded_refusal_is_repeated_with_its_facts(store: StoreMaker) -> None:
    async with bank(store) as app:
        for _ in range(3):
            with pytest.raises(Rejected) as refusal:
                await app.execute(Take(account="a1", amount=5), idempotency_key="k1")
            assert (refusal.value.reason, refusal.value.message) == ("too-much", "The balance is 0.")
            assert refusal.value.facts == {"balance": 0}
        assert [record.type for record in await contents(app)] == ["refused"]
        assert Refused in app.store.codec.registry.by_class


async def test_a_key_belongs_to_the_tenant_that_used_it(store: StoreMaker) -> None:
    async with bank(store) as app:
        for tenant in ("north", "south"):
            with metadata(tenant=tenant):
                done = await app.execute(Pay(account=tenant, amount=3), idempotency_key="k1")
                assert not done.repeated
                assert (await app.execute(Pay(account=tenant, amount=3), idempotency_key="k1")).repeated
        assert not (await app.execute(Pay(account="a1", amount=3), idempotency_key="k1")).repeated
        with metadata(tenant="north"), pytest.raises(IdempotencyKeyReused, match="'k1'"):
            await app.execute(Pay(account="a1", amount=3), idempotency_key="k1")


@pytest.mark.parametrize("key", ["", "x" * 256, "a\nb", "\ud800", 5, b"k"])
async def test_a_key_of_a_bad_shape_is_refused_and_changes_nothing(store: StoreMaker, key: Any) -> None:
    async with bank(store) as app:
        with pytest.raises(InvalidMessage, match="idempotency key"):
            await app.execute(Pay(account="a1", amount=3), idempotency_key=key)
        assert await app.store.head() == 0


async def test_a_key_may_hold_any_printable_text(store: StoreMaker) -> None:
    async with bank(store) as app:
        for key in ("x" * 255, "Ünïcode \N{GRINNING FACE}", "a b/c"):
            await app.execute(Pay(account="a1", amount=3), idempotency_key=key)
            assert (await app.execute(Pay(account="a1", amount=3), idempotency_key=key)).repeated


class Price(msgspec.Struct):
    amount: Decimal
    on: date
    by_size: dict[int, float]


class Priced(Event):
    amount: Decimal


class GetPrice(Command[Price]):
    item: str
    sizes: frozenset[str] = frozenset()


class GetText(GetPrice):
    pass


class Untyped(Command):
    item: str


class Wrong(Command[int]):
    item: str


class Unkeepable(Command):
    item: str


class Refusing(Command):
    item: str


class Item(Aggregate, key="item"):
    amount: Decimal = Decimal(0)

    @decide
    def price(self, command: GetPrice | GetText) -> Events[Price]:
        yield Priced(amount=Decimal("1.10"))
        return Price(self.amount, date(2024, 2, 29), {1: 0.5})

    @decide
    def untyped(self, command: Untyped) -> Events[Any]:
        yield Priced(amount=Decimal(2))
        return {"any": ["thing"]}

    @decide
    def wrong(self, command: Wrong) -> Events[Any]:
        yield Priced(amount=Decimal(2))
        return "five"

    @decide
    def unkeepable(self, command: Unkeepable) -> Events[Any]:
        yield Priced(amount=Decimal(2))
        return object()

    @decide
    def refusing(self, command: Refusing) -> Events:
        raise Rejected("no", what=object()).recording(Priced(amount=Decimal(3)))

    @evolve
    def priced(self, event: Priced) -> None:
        self.amount = event.amount


async def test_a_reply_comes_back_as_the_type_that_the_command_declares(store: StoreMaker) -> None:
    async with App("shop", Item, store=store()) as app:
        for command in (GetPrice(item="i1"), GetText(item="i2")):
            key = command.item
            first = await app.execute(command, idempotency_key=key)
            again = await app.execute(command, idempotency_key=key)
            assert again.reply == first.reply == Price(Decimal("1.10"), date(2024, 2, 29), {1: 0.5})


async def test_a_reply_of_a_command_that_declares_none_comes_back_as_json_values(store: StoreMaker) -> None:
    async with App("shop", Item, store=store()) as app:
        await app.execute(Untyped(item="i1"), idempotency_key="k1")
        reply: object = (await app.execute(Untyped(item="i1"), idempotency_key="k1")).reply
        assert reply == {"any": ["thing"]}


@pytest.mark.parametrize("command", [Wrong(item="i1"), Unkeepable(item="i1"), Refusing(item="i1")])
async def test_a_reply_that_would_not_come_back_is_refused_before_anything_is_stored(
    store: StoreMaker, command: Command[Any]
) -> None:
    async with App("shop", Item, store=store()) as app:
        with pytest.raises(BrokenRule, match="cannot be kept"):
            await app.execute(command, idempotency_key="k1")
        assert await app.store.head() == 0
        assert (await app.execute(GetPrice(item="i1"))).version == 1


async def test_a_set_in_a_command_is_the_same_in_any_order(store: StoreMaker) -> None:
    async with App("shop", Item, store=store()) as app:
        words = [f"word-{number}" for number in range(50)]
        await app.execute(GetPrice(item="i1", sizes=frozenset(words)), idempotency_key="k1")
        again = frozenset(reversed(words))
        assert (await app.execute(GetPrice(item="i1", sizes=again), idempotency_key="k1")).repeated


async def test_a_kept_reply_that_fits_its_type_no_more_is_a_clear_error(store: StoreMaker) -> None:
    async with App("shop", Item, store=store()) as app:
        await app.execute(Untyped(item="i1"), idempotency_key="k1")

    class Again(Command[int], name="untyped"):
        item: str

    newer = App("shop", Item, store=store())

    @newer.handles(Again)
    async def again(command: Again) -> int:
        raise AssertionError("it was executed before")

    async with newer:
        with pytest.raises(CodecError, match="does not fit its type any more"):
            await newer.execute(Again(item="i1"), idempotency_key="k1")


async def test_a_command_over_several_streams_is_repeated_with_all_its_events(store: StoreMaker) -> None:
    class Move(Command[str]):
        source: str
        target: str

    def made() -> App:
        app = App("bank", Account, store=store())

        @app.handles(Move)
        async def move(command: Move, accounts: Repository[Account]) -> str:
            if not (await accounts.get(command.source)).balance:
                return "nothing to move"
            await accounts.decide(Pay(account=command.target, amount=2))
            await accounts.decide(Take(account=command.source, amount=2))
            return "moved"

        return app

    async with made() as app:
        nothing = await app.execute(Move(source="a1", target="a2"), idempotency_key="k0")
        await app.execute(Pay(account="a1", amount=4))
        await app.execute(Pay(account="a1", amount=4))
        first = await app.execute(Move(source="a1", target="a2"), idempotency_key="k1")
        assert (first.stream, first.version, len(first.events)) == ("account-a1", 3, 2)
        await app.execute(Pay(account="a2", amount=4))
        assert same(await app.execute(Move(source="a1", target="a2"), idempotency_key="k1")) == first
        assert same(await app.execute(Move(source="a1", target="a2"), idempotency_key="k0")) == nothing


async def test_a_handler_that_touches_no_stream_is_repeated_too(store: StoreMaker) -> None:
    calls: list[str] = []

    class Call(Command[int]):
        number: str

    app = App("phone", store=store())

    @app.handles(Call)
    def call(command: Call) -> int:
        calls.append(command.number)
        return len(calls)

    async with app:
        first = await app.execute(Call(number="5"), idempotency_key="k1")
        again = await app.execute(Call(number="5"), idempotency_key="k1")
        assert (first.reply, again.reply, again.stream, again.version) == (1, 1, None, 0)
        assert calls == ["5"]
