"""A small bank that the tests of the store and the app decide on."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Annotated, Any

from msgspec import Meta, field

from everfold import Aggregate, App, Command, Event, Events, Rejected, decide, evolve
from tests.app.stores import StoreMaker

Cents = Annotated[int, Meta(gt=0)]


class Opened(Event):
    owner: str


class Paid(Event):
    amount: int


class Took(Event):
    amount: int


class Refused(Event):
    amount: int


class Noted(Event):
    lines: list[str]


class Open(Command):
    account: str
    owner: str = "Ann"


class Pay(Command[int]):
    """Replies with the new balance."""

    account: str
    amount: Cents


class Take(Command[int]):
    """A refusal is recorded."""

    account: str
    amount: Cents


class PayAndTake(Command):
    """Pays, and only then sees that it cannot take."""

    account: str
    pay: Cents
    take: Cents


class PayTwice(Command):
    account: str
    amounts: list[int]


class Note(Command):
    account: str
    lines: list[str]


class Settle(Command[str]):
    """Does nothing when the balance is nothing."""

    account: str


class Break(Command):
    """Pays, and then fails in the way that is asked for."""

    account: str
    how: str


class Account(Aggregate, key="account"):
    owner: str = ""
    balance: int = 0
    refusals: int = 0
    lines: list[str] = field(default_factory=list[str])

    @decide
    def open(self, command: Open) -> Events:
        if self.owner:
            raise Rejected("is-open", "The account is open.", owner=self.owner)
        yield Opened(owner=command.owner)

    @decide
    def pay(self, command: Pay) -> Events[int]:
        yield Paid(amount=command.amount)
        return self.balance

    @decide
    def take(self, command: Take) -> Events[int]:
        if command.amount > self.balance:
            refusal = Rejected("too-much", f"The balance is {self.balance}.", balance=self.balance)
            raise refusal.recording(Refused(amount=command.amount))
        yield Took(amount=command.amount)
        return self.balance

    @decide
    def pay_and_take(self, command: PayAndTake) -> Events:
        yield Paid(amount=command.pay)
        if command.take > self.balance:
            raise Rejected("too-much", balance=self.balance)
        yield Took(amount=command.take)

    @decide
    def pay_twice(self, command: PayTwice) -> Events:
        for amount in command.amounts:
            yield Paid(amount=amount)

    @decide
    def note(self, command: Note) -> Events:
        yield Noted(lines=command.lines)
        yield Noted(lines=["end"])

    @decide
    def settle(self, command: Settle) -> Events[str]:
        if not self.balance:
            return "nothing to settle"
        yield Took(amount=self.balance)
        return "settled"

    @decide
    def break_(self, command: Break) -> Events:
        yield Paid(amount=1_000)
        if command.how == "bug":
            raise ZeroDivisionError("a bug")
        if command.how == "bad value":
            wrong: Any = "ten"
            yield Paid(amount=wrong)
        if command.how == "no evolve":
            yield Unexpected()
        if command.how == "no event":
            yield 5
        if command.how == "direct":
            self.balance += 1

    @evolve
    def opened(self, event: Opened) -> None:
        self.owner = event.owner

    @evolve
    def paid(self, event: Paid) -> None:
        self.balance += event.amount

    @evolve
    def took(self, event: Took) -> None:
        self.balance -= event.amount

    @evolve
    def refused(self, event: Refused) -> None:
        self.refusals += 1

    @evolve
    def noted(self, event: Noted) -> None:
        if self.lines:
            self.lines.extend(event.lines)
        else:
            self.lines = event.lines


class Unexpected(Event):
    pass


@asynccontextmanager
async def bank(store: StoreMaker, **settings: Any) -> AsyncGenerator[App, None]:
    async with App("bank", Account, Unexpected, store=store(), **settings) as app:
        yield app


async def balance(app: App, account: str = "a1") -> int:
    return (await app.load(Account, account)).balance
