"""The bank of ``everfold demo``: accounts, and a seeded history for them. Ships with the wheel; also an app to look at:

``everfold state account demo-042 --app everfold.cli.demo_bank:app``
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from typing import Annotated, Any

from msgspec import Meta

from everfold.app.application import App
from everfold.domain.aggregate import Aggregate
from everfold.domain.command import Command
from everfold.domain.event import Event
from everfold.domain.handlers import Events, decide, evolve
from everfold.errors import Rejected

__all__ = ["Account", "Deposit", "OpenAccount", "Withdraw", "app", "history_of"]

Cents = Annotated[int, Meta(gt=0)]
OWNERS = ("Ann", "Bela", "Chidi", "Dana", "Emil", "Fatima", "Goro", "Hana", "Ines", "Jonas", "Kofi", "Lena")


class AccountOpened(Event):
    """An account exists from now on."""

    owner: str
    initial_balance: int


class MoneyDeposited(Event):
    """Money came in."""

    amount: Cents


class MoneyWithdrawn(Event):
    """Money went out."""

    amount: Cents


class OpenAccount(Command):
    """Open an account."""

    account_id: str
    owner: str
    initial_balance: Annotated[int, Meta(ge=0)] = 0


class Deposit(Command):
    """Pay money in."""

    account_id: str
    amount: Cents


class Withdraw(Command[int]):
    """Take money out; replies with the balance that is left."""

    account_id: str
    amount: Cents


class Account(Aggregate, key="account_id"):
    """A bank account whose balance, in cents, never falls below zero."""

    is_open: bool = False
    owner: str = ""
    balance: int = 0

    @decide
    def open(self, command: OpenAccount) -> Events:
        """An account is opened once."""
        if self.is_open:
            raise Rejected("account-exists", "The account is open already.")
        yield AccountOpened(owner=command.owner, initial_balance=command.initial_balance)

    @decide
    def deposit(self, command: Deposit) -> Events:
        """Only into an open account."""
        self._check_open()
        yield MoneyDeposited(amount=command.amount)

    @decide
    def withdraw(self, command: Withdraw) -> Events[int]:
        """Never more than there is."""
        self._check_open()
        if command.amount > self.balance:
            raise Rejected("insufficient-funds", f"The balance is {self.balance}.", balance=self.balance)
        yield MoneyWithdrawn(amount=command.amount)
        return self.balance

    @evolve
    def opened(self, event: AccountOpened) -> None:
        """Money may be there from the start."""
        self.is_open, self.owner, self.balance = True, event.owner, event.initial_balance

    @evolve
    def deposited(self, event: MoneyDeposited) -> None:
        """More money."""
        self.balance += event.amount

    @evolve
    def withdrawn(self, event: MoneyWithdrawn) -> None:
        """Less money."""
        self.balance -= event.amount

    def _check_open(self) -> None:
        if not self.is_open:
            raise Rejected("account-not-open", "The account is not open.")


def history_of(number: int, transactions: int) -> Iterator[Command[Any]]:
    """The commands that make up the life of one account: always the same, and none of them refused."""
    chance = random.Random(number)  # noqa: S311 (a demo)
    key = f"demo-{number:03d}"
    balance = chance.randrange(0, 50_000, 500)
    yield OpenAccount(account_id=key, owner=chance.choice(OWNERS), initial_balance=balance)
    for _ in range(transactions):
        if balance > 1_000 and chance.random() < 0.55:
            amount = chance.randrange(100, balance // 2, 5)
            balance -= amount
            yield Withdraw(account_id=key, amount=amount)
        else:
            amount = chance.randrange(500, 30_000, 5)
            balance += amount
            yield Deposit(account_id=key, amount=amount)


app = App("everfold-demo", Account)
