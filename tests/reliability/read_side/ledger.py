"""Accounts and orders, four projections of them, and what each is by definition: the fold of the log, in plain Python.

The folds share nothing with everfold: they read the stored JSON, and know of tables only their names.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

from everfold import (
    Aggregate,
    Command,
    Event,
    Events,
    Projection,
    Query,
    ReadModel,
    Record,
    Table,
    answer,
    decide,
    evolve,
    project,
)
from everfold.projections.projection import Mode

__all__ = [
    "EVENTS",
    "FOLDS",
    "UNLUCKY",
    "Account",
    "BalanceOf",
    "Cancelled",
    "Closed",
    "Entry",
    "Fold",
    "Noted",
    "Opened",
    "Paid",
    "Pay",
    "Placed",
    "Row",
    "Rows",
    "TotalOf",
    "Unlucky",
    "projections",
]

UNLUCKY = 13
"""The amount that one of the projections cannot bear."""


class Opened(Event):
    owner: str


class Paid(Event):
    amount: int


class Closed(Event):
    reason: str


class Placed(Event):
    account: str
    total: int


class Cancelled(Event):
    reason: str


class Noted(Event):
    """No projection has a handler for it."""

    text: str


EVENTS: tuple[type[Event], ...] = (Opened, Paid, Closed, Placed, Cancelled, Noted)


class Pay(Command[int]):
    account: str
    amount: int = 1


class Account(Aggregate, key="account"):
    """Says what was paid in before."""

    total: int = 0

    @decide
    def pay(self, command: Pay) -> Events[int]:
        yield Paid(amount=command.amount)
        return self.total

    @evolve
    def opened(self, event: Opened) -> None:
        pass

    @evolve
    def paid(self, event: Paid) -> None:
        self.total += event.amount


class EntryRow(ReadModel, key="position", name="entry"):
    position: int
    stream: str
    kind: str
    amount: int


class BalanceRow(ReadModel, key="account", name="balance"):
    account: str
    owner: str
    balance: int
    payments: int


class TurnoverRow(ReadModel, key="account", name="turnover"):
    account: str
    paid: int
    payments: int
    ordered: int
    orders: int


class OrderRow(ReadModel, key="order", name="open_order", indexes=["account"]):
    order: str
    account: str
    total: int


class BalanceOf(Query[int]):
    account: str


class TotalOf(Query[int]):
    account: str


class Unlucky(Exception):
    """What the handler of an unlucky payment raises."""


def projections(*, mode: Mode = "async", versions: Mapping[str, int] | None = None) -> Sequence[type[Projection]]:  # noqa: C901 (four classes)
    """The projections, in any mode; with another version, the code of a projection counts as changed."""

    def version(name: str) -> int:
        return (versions or {}).get(name, 1)

    class Entries(Projection, mode=mode, version=version("entries")):
        """One row for each event."""

        entries: Table[EntryRow]

        @project
        def paid(self, event: Paid, record: Record) -> None:
            self.entries.put(EntryRow(record.position, record.stream, "paid", event.amount))

        @project
        def placed(self, event: Placed, record: Record) -> None:
            self.entries.put(EntryRow(record.position, record.stream, "placed", event.total))

        @project
        def ended(self, event: Closed | Cancelled, record: Record) -> None:
            self.entries.put(EntryRow(record.position, record.stream, record.type, 0))

    class Balances(Projection, mode=mode, version=version("balances")):
        """One row for each stream, changed in place."""

        balances: Table[BalanceRow]

        @project
        def opened(self, event: Opened, record: Record) -> None:
            self.balances.put(BalanceRow(record.key, event.owner, 0, 0))

        @project
        def paid(self, event: Paid, record: Record) -> None:
            row = self.balances[record.key]
            row.balance += event.amount
            row.payments += 1
            if event.amount == UNLUCKY:  # after the change: it must be undone
                raise Unlucky

        @answer
        def balance(self, query: BalanceOf) -> int:
            return self.balances[query.account].balance

    class Turnovers(Projection, mode=mode, version=version("turnovers")):
        """Counters over two categories."""

        turnovers: Table[TurnoverRow]

        def _of(self, account: str) -> TurnoverRow:
            row = self.turnovers.get(account)
            if row is None:
                row = TurnoverRow(account, 0, 0, 0, 0)
                self.turnovers.put(row)
            return row

        @project
        def paid(self, event: Paid, record: Record) -> None:
            row = self._of(record.key)
            row.paid += event.amount
            row.payments += 1

        @project
        def placed(self, event: Placed) -> None:
            row = self._of(event.account)
            row.ordered += event.total
            row.orders += 1

        @answer
        def total(self, query: TotalOf) -> int:
            return self.turnovers[query.account].paid

    class OpenOrders(Projection, mode=mode, version=version("open-orders")):
        """Rows come and go; a closed account takes all of its orders with it."""

        orders: Table[OrderRow]

        @project
        def placed(self, event: Placed, record: Record) -> None:
            self.orders.put(OrderRow(record.key, event.account, event.total))

        @project
        def cancelled(self, event: Cancelled, record: Record) -> None:
            self.orders.delete(record.key)

        @project
        def closed(self, event: Closed, record: Record) -> None:
            for order in self.orders.find(account=record.key):
                self.orders.delete(order.order)

    return Entries, Balances, Turnovers, OpenOrders


# --- what they are by definition

Row = tuple[object, ...]
Rows = dict[object, Row]


class Entry(NamedTuple):
    """A record as the folds see it."""

    position: int
    stream: str
    type: str
    data: str

    @property
    def key(self) -> str:
        """The key of the stream."""
        return self.stream.partition("-")[2]


class Fold(NamedTuple):
    """What one projection is."""

    table: str
    types: frozenset[str]
    step: Callable[[Rows, Entry], None]


def _entries(rows: Rows, entry: Entry) -> None:
    fields = json.loads(entry.data)
    amount = fields.get("amount", fields.get("total", 0))
    rows[entry.position] = (entry.position, entry.stream, entry.type, amount)


def _balances(rows: Rows, entry: Entry) -> None:
    fields = json.loads(entry.data)
    if entry.type == "opened":
        rows[entry.key] = (entry.key, fields["owner"], 0, 0)
        return
    if fields["amount"] == UNLUCKY:
        raise Unlucky
    _, owner, balance, payments = rows[entry.key]
    rows[entry.key] = (entry.key, owner, _plus(balance, fields["amount"]), _plus(payments, 1))


def _turnovers(rows: Rows, entry: Entry) -> None:
    fields = json.loads(entry.data)
    account = entry.key if entry.type == "paid" else fields["account"]
    _, paid, payments, ordered, orders = rows.get(account, (account, 0, 0, 0, 0))
    if entry.type == "paid":
        paid, payments = _plus(paid, fields["amount"]), _plus(payments, 1)
    else:
        ordered, orders = _plus(ordered, fields["total"]), _plus(orders, 1)
    rows[account] = (account, paid, payments, ordered, orders)


def _open_orders(rows: Rows, entry: Entry) -> None:
    fields = json.loads(entry.data)
    if entry.type == "placed":
        rows[entry.key] = (entry.key, fields["account"], fields["total"])
    elif entry.type == "cancelled":
        rows.pop(entry.key, None)
    else:
        for order in [order for order, (_, account, _) in rows.items() if account == entry.key]:
            del rows[order]


def _plus(value: object, amount: int) -> int:
    assert isinstance(value, int)
    return value + amount


FOLDS = {
    "entries": Fold("entry", frozenset({"paid", "placed", "closed", "cancelled"}), _entries),
    "balances": Fold("balance", frozenset({"opened", "paid"}), _balances),
    "turnovers": Fold("turnover", frozenset({"paid", "placed"}), _turnovers),
    "open-orders": Fold("open_order", frozenset({"placed", "cancelled", "closed"}), _open_orders),
}
