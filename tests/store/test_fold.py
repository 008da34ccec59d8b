"""Folding: what is said when recorded history does not fit the code."""

from __future__ import annotations

from typing import Any

import pytest

from everfold import Aggregate, App, Command, Event, Events, decide, evolve
from everfold.codec.pipeline import Codec
from everfold.errors import BrokenRule, UnknownEventType
from everfold.log.record import Record
from everfold.store.fold import fold
from tests.app.bank import Account, Paid, Pay, bank
from tests.app.stores import StoreMaker


class Add(Command):
    account: str


class Strict(Aggregate, key="account", category="account"):
    """Newer code that evolves with a rule in it, which it must not."""

    balance: int = 0

    @decide
    def add(self, command: Add) -> Events:
        yield Paid(amount=1)

    @evolve
    def paid(self, event: Paid) -> None:
        if event.amount > 5:
            raise ValueError("too much")
        self.balance += event.amount


class Forgetful(Aggregate, key="account", category="account"):
    balance: int = 0


async def test_an_evolve_that_refuses_history_is_named_with_the_position(store: StoreMaker) -> None:
    async with bank(store) as app:
        await app.execute(Pay(account="a1", amount=1))
        await app.execute(Pay(account="a1", amount=9))
    async with App("bank", Strict, store=store()) as app:
        for attempt in (app.execute(Add(account="a1")), app.load(Strict, "a1")):
            with pytest.raises(BrokenRule, match="Evolve never refuses") as error:
                await attempt
            assert error.value.__notes__ == ["It happened while 'account-a1' at position 2 was replayed."]
        assert await app.store.head() == 2


async def test_an_event_without_an_evolve_is_named(store: StoreMaker) -> None:
    async with bank(store) as app:
        await app.execute(Pay(account="a1", amount=1))
    async with App("bank", Forgetful, Paid, store=store()) as app:
        with pytest.raises(BrokenRule, match="Forgetful has no @evolve for Paid"):
            await app.load(Forgetful, "a1")


async def test_an_event_type_that_nobody_knows_is_never_skipped(store: StoreMaker) -> None:
    class Other(Event):
        pass

    async with App("bank", Account, Other, store=store()) as app:
        await app.execute(Pay(account="a1", amount=1))
        await app.store.append("account-a1", Other())
    async with bank(store) as app:
        with pytest.raises(UnknownEventType) as error:
            await app.execute(Pay(account="a1", amount=1))
        assert (error.value.event_type, error.value.position, error.value.stream) == ("other", 2, "account-a1")


def test_a_failure_before_the_first_record_is_told_as_one_of_the_log() -> None:
    class Failing(Codec):
        def pairs(self, records: object) -> Any:
            raise ZeroDivisionError

    record = Record(1, "account-a1", 1, "paid", 1, "id", 1, "{}")
    with pytest.raises(BrokenRule) as error:
        fold(Account(), [record], Failing([], new_id=str), {})
    assert error.value.__notes__ == ["It happened while the log was replayed."]
