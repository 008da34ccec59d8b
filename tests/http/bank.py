"""The application of the tests of the HTTP face: accounts, and a projection that fails on deposits of 13."""

from typing import Annotated, Any

from msgspec import Meta

from everfold import (
    Aggregate,
    App,
    Command,
    Event,
    Events,
    Page,
    Projection,
    Query,
    ReadModel,
    Record,
    Rejected,
    Table,
    Tag,
    answer,
    decide,
    evolve,
    project,
)

Cents = Annotated[int, Meta(gt=0)]
UNLUCKY = {13}
"""Deposits that the projection fails on."""


class AccountOpened(Event):
    owner: Annotated[str, Tag("owner")]
    initial_balance: int


class MoneyDeposited(Event):
    amount: Cents
    note: str = ""


class MoneyWithdrawn(Event):
    amount: Cents


class OpenAccount(Command, route="POST /accounts"):
    """Open an account."""

    account_id: str
    owner: str
    initial_balance: Annotated[int, Meta(ge=0)] = 0


class Deposit(Command, route="POST /accounts/{account_id}/deposits"):
    """Pay in."""

    account_id: str
    amount: Cents
    note: str = ""


class Withdraw(Command[int]):
    """Take out; the reply is the new balance."""

    account_id: str
    amount: Cents


class Account(Aggregate, key="account_id"):
    """A bank account whose balance never falls below zero."""

    owner: str = ""
    balance: int = 0
    notes: tuple[str, ...] = ()

    @decide
    def open(self, command: OpenAccount) -> Events:
        if self.owner:
            raise Rejected("account-exists", "The account is open already.")
        yield AccountOpened(owner=command.owner, initial_balance=command.initial_balance)

    @decide
    def deposit(self, command: Deposit) -> Events:
        yield MoneyDeposited(amount=command.amount, note=command.note)

    @decide
    def withdraw(self, command: Withdraw) -> Events[int]:
        if command.amount > self.balance:
            raise Rejected("insufficient-funds", f"The balance is {self.balance}.", balance=self.balance)
        yield MoneyWithdrawn(amount=command.amount)
        return self.balance

    @evolve
    def opened(self, event: AccountOpened) -> None:
        self.owner, self.balance = event.owner, event.initial_balance

    @evolve
    def deposited(self, event: MoneyDeposited) -> None:
        self.balance += event.amount
        if event.note:
            self.notes = (*self.notes, event.note)

    @evolve
    def withdrawn(self, event: MoneyWithdrawn) -> None:
        self.balance -= event.amount


class AccountSummary(ReadModel, key="account_id", indexes=["owner"]):
    account_id: str
    owner: str
    balance: int


class GetAccount(Query[AccountSummary], route="GET /accounts/{account_id}"):
    """One account."""

    account_id: str


class ListAccounts(Query[Page[AccountSummary]], route="GET /accounts"):
    """The accounts, in order of their ids."""

    limit: Annotated[int, Meta(ge=1, le=100)] = 10
    offset: Annotated[int, Meta(ge=0)] = 0


class AccountSummaries(Projection):
    """What is in each account."""

    rows: Table[AccountSummary]

    @project
    def opened(self, event: AccountOpened, record: Record) -> None:
        self.rows.put(AccountSummary(record.key, event.owner, event.initial_balance))

    @project
    def deposited(self, event: MoneyDeposited, record: Record) -> None:
        if event.amount in UNLUCKY:
            raise ValueError("unlucky")
        self.rows[record.key].balance += event.amount

    @project
    def withdrawn(self, event: MoneyWithdrawn, record: Record) -> None:
        self.rows[record.key].balance -= event.amount

    @answer
    def one(self, query: GetAccount) -> AccountSummary:
        return self.rows[query.account_id]

    @answer
    def all(self, query: ListAccounts) -> Page[AccountSummary]:
        return self.rows.page(limit=query.limit, offset=query.offset)


def bank(store: str, **settings: Any) -> App:
    """The application, with its log in this file. Everybody may do everything: the tests of the gate are others."""
    settings.setdefault("authentication", False)
    return App("bank", Account, AccountSummaries, store=store, **settings)
