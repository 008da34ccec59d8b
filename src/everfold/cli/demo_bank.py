"""The bank of ``everfold demo``: accounts, a read model, a seeded history. Ships with the wheel; an app to look at:

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
from everfold.domain.handlers import Events, answer, decide, evolve, project
from everfold.domain.query import Query
from everfold.domain.read_model import ReadModel
from everfold.errors import Rejected
from everfold.log.record import Record
from everfold.projections.page import Page
from everfold.projections.projection import Projection
from everfold.projections.table import Table

__all__ = [
    "Account",
    "AccountSummary",
    "Accounts",
    "AccountsOfOwner",
    "Deposit",
    "GetAccount",
    "OpenAccount",
    "Withdraw",
    "app",
    "history_of",
]

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


class AccountSummary(ReadModel, key="account_id", indexes=["owner"]):
    """What a list of accounts shows, one row for each."""

    account_id: str
    owner: str
    balance: int
    movements: int = 0


class GetAccount(Query[AccountSummary]):
    """One account."""

    account_id: str


class AccountsOfOwner(Query[Page[AccountSummary]]):
    """The accounts of one owner, richest first."""

    owner: str
    limit: int = 10
    offset: int = 0


class Accounts(Projection):
    """Keeps a row for every account up to date, and answers from it."""

    summaries: Table[AccountSummary]

    @project
    def opened(self, event: AccountOpened, record: Record) -> None:
        """A new row."""
        self.summaries.put(AccountSummary(record.key, event.owner, event.initial_balance))

    @project
    def deposited(self, event: MoneyDeposited, record: Record) -> None:
        """More money."""
        row = self.summaries[record.key]
        row.balance += event.amount
        row.movements += 1

    @project
    def withdrawn(self, event: MoneyWithdrawn, record: Record) -> None:
        """Less money."""
        row = self.summaries[record.key]
        row.balance -= event.amount
        row.movements += 1

    @answer
    def one(self, query: GetAccount) -> AccountSummary:
        """By its key."""
        return self.summaries[query.account_id]

    @answer
    def of_owner(self, query: AccountsOfOwner) -> Page[AccountSummary]:
        """Through the index of owners."""
        return self.summaries.page(owner=query.owner, order_by="-balance", limit=query.limit, offset=query.offset)


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


app = App("everfold-demo", Account, Accounts)
