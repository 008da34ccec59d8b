"""everfold's side of the read side: what is projected from the accounts' events, in the two usual shapes."""

from __future__ import annotations

from everfold import Page, Projection, Query, ReadModel, Record, Table, answer, project
from examples.accounts.domain import AccountOpened, MoneyDeposited

__all__ = [
    "AccountRow",
    "Accounts",
    "CountMovements",
    "GetAccount",
    "InlineAccounts",
    "ListAccounts",
    "ListAccountsCached",
    "Movement",
    "Movements",
]


class Movement(ReadModel, key="position"):
    """One row per event, never changed."""

    position: int
    account_id: str
    amount: int


class CountMovements(Query[int]):
    """How many rows there are."""


class Movements(Projection):
    """Puts a row for each event."""

    movements: Table[Movement]

    @project
    def opened(self, event: AccountOpened, record: Record) -> None:
        self.movements.put(Movement(record.position, record.key, event.initial_balance))

    @project
    def deposited(self, event: MoneyDeposited, record: Record) -> None:
        self.movements.put(Movement(record.position, record.key, event.amount))

    @answer
    def count(self, query: CountMovements) -> int:
        return self.movements.count()


class AccountRow(ReadModel, key="account_id", indexes=["owner"]):
    """One row per stream, changed in place by its events."""

    account_id: str
    owner: str
    balance: int


class GetAccount(Query[AccountRow]):
    """One row by its key."""

    account_id: str


class ListAccounts(Query[Page[AccountRow]]):
    """A page of the rows of one owner, the richest first."""

    owner: str
    limit: int = 50


class ListAccountsCached(ListAccounts):
    """The same, answered again from memory until the tables change."""


class Accounts(Projection):
    """Keeps a row for each stream."""

    accounts: Table[AccountRow]

    @project
    def opened(self, event: AccountOpened, record: Record) -> None:
        self.accounts.put(AccountRow(record.key, event.owner, event.initial_balance))

    @project
    def deposited(self, event: MoneyDeposited, record: Record) -> None:
        self.accounts[record.key].balance += event.amount

    @answer
    def one(self, query: GetAccount) -> AccountRow:
        return self.accounts[query.account_id]

    @answer
    def listed(self, query: ListAccounts) -> Page[AccountRow]:
        return self.accounts.page(owner=query.owner, order_by="-balance", limit=query.limit)

    @answer(cached=True)
    def cached(self, query: ListAccountsCached) -> Page[AccountRow]:
        return self.accounts.page(owner=query.owner, order_by="-balance", limit=query.limit)


class InlineAccounts(Accounts, mode="inline"):
    """The same rows, written in the transaction of each append."""
