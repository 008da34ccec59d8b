"""The ledger as its programmers changed it: other handlers, or another shape of its rows, under the same name."""

from __future__ import annotations

from everfold import Projection, Query, ReadModel, Record, Table, answer, project
from tests.app.bank import Opened, Paid
from tests.projections.ledger import AllRows, Balance, GetBalance, Ledger, Owner

__all__ = ["Bare", "Doubling", "FindNames", "GetName", "Kind", "Mended", "Name"]


class Mended(Ledger, name="ledger"):
    """No amount is unlucky any more."""

    @project
    def paid(self, event: Paid, record: Record) -> None:
        row = self.balances[record.key]
        row.balance += event.amount
        self.owners[row.owner].paid += event.amount


class Doubling(Ledger, name="ledger"):
    """Wrong, and so easy to tell from the others."""

    @project
    def paid(self, event: Paid, record: Record) -> None:
        self.balances[record.key].balance += 2 * event.amount


class Bare(Projection, name="ledger"):
    """Has fewer tables."""

    balances: Table[Balance]

    @project
    def opened(self, event: Opened, record: Record) -> None:
        self.balances.put(Balance(record.key, event.owner.upper()))

    @answer
    def one(self, query: GetBalance) -> Balance:
        return self.balances[query.account]

    @answer
    def everything(self, query: AllRows) -> tuple[list[Balance], list[Owner]]:
        return self.balances.find(), []


class Name(ReadModel, key="account", name="balance"):
    """Another shape of a balance."""

    account: str
    owner: str
    length: int


class GetName(Query[Name]):
    account: str


class FindNames(Query[int]):
    length: int


class Kind(Projection, name="ledger"):
    """Has a field that the old rows do not have."""

    names: Table[Name]

    @project
    def opened(self, event: Opened, record: Record) -> None:
        self.names.put(Name(record.key, event.owner, len(event.owner)))

    @answer
    def one(self, query: GetName) -> Name:
        return self.names[query.account]

    @answer
    def count(self, query: FindNames) -> int:
        return self.names.count(length=query.length)
