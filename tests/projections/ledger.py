"""Read models of the tests' bank in every mode, and the plain fold that they have to equal."""

from __future__ import annotations

import asyncio
import copy
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import sqlalchemy as sa
from msgspec import field

from everfold import App, Position, Projection, Query, ReadModel, Record, Table, answer, project
from everfold.clock import SystemClock
from everfold.projections.projection import Mode
from tests.app.bank import Account, Noted, Opened, Paid, Refused, Took, Unexpected
from tests.app.stores import StoreMaker

UNLUCKY, TOO_MUCH = 13, 14
"""Amounts on which a handler fails, and which give a row that cannot be stored."""


class Balance(ReadModel, key="account", indexes=["owner"]):
    account: str
    owner: str
    balance: int = 0
    lines: list[str] = field(default_factory=list[str])


class Owner(ReadModel, key="owner"):
    owner: str
    accounts: int = 0
    paid: int = 0


class GetBalance(Query[Balance]):
    account: str


class ByOwner(Query[list[Balance]]):
    owner: str


class AllRows(Query[tuple[list[Balance], list[Owner]]]):
    pass


class Ledger(Projection):
    """One event changes rows of several tables, and uses everything that a handler may do."""

    balances: Table[Balance]
    owners: Table[Owner]

    @project
    def opened(self, event: Opened, record: Record) -> None:
        if record.key in self.balances:  # a row that cannot be stored must not be replaced before anybody has noticed
            return
        self.balances.put(Balance(record.key, event.owner))
        owner = self.owners.get(event.owner) or Owner(event.owner)
        owner.accounts += 1
        self.owners.put(owner)

    @project
    def paid(self, event: Paid, record: Record) -> None:
        row = self.balances[record.key]
        row.balance += 2**63 if event.amount == TOO_MUCH else event.amount
        self.owners[row.owner].paid += event.amount
        if event.amount == UNLUCKY:
            raise ValueError("unlucky")

    @project
    def took(self, event: Took, record: Record) -> None:
        table = self.balances.sql
        statement = sa.update(table).where(table.c.account == record.key)
        self.connection.execute(statement.values(balance=table.c.balance - event.amount))

    @project
    def noted(self, event: Noted, record: Record) -> None:
        row = self.balances[record.key]
        for other in self.balances.find(owner=row.owner):
            other.lines = [*other.lines, *event.lines]
        assert self.balances.count(owner=row.owner)
        row.lines.append("end")

    @project
    def refused(self, event: Refused, record: Record) -> None:
        for row in self.balances.find(account=record.key):
            del self.balances[row.account]

    @answer
    def one(self, query: GetBalance) -> Balance:
        return self.balances[query.account]

    @answer(cached=True)
    def by_owner(self, query: ByOwner) -> list[Balance]:
        return self.balances.find(owner=query.owner, order_by="-balance")

    @answer
    def everything(self, query: AllRows) -> tuple[list[Balance], list[Owner]]:
        return self.balances.find(), self.owners.find()


def ledger(mode: Mode = "async") -> type[Ledger]:
    made: type[Ledger] = type("Ledger", (Ledger,), {"__module__": __name__}, mode=mode)
    return made


class Fold:
    """What the rows must be: the same in plain Python, with what cannot be applied set aside."""

    def __init__(self) -> None:
        self.balances: dict[str, Balance] = {}
        self.owners: dict[str, Owner] = {}
        self.aside: dict[str, list[int]] = {}
        """By stream: the positions of the event that failed, and of those behind it."""

    def rows(self) -> tuple[list[Balance], list[Owner]]:
        return [self.balances[key] for key in sorted(self.balances)], [self.owners[key] for key in sorted(self.owners)]

    def apply(self, event: object, record: Record) -> None:
        if isinstance(event, Unexpected):  # nobody has a handler for it
            return
        if record.stream in self.aside:
            self.aside[record.stream].append(record.position)
            return
        before = copy.deepcopy((self.balances, self.owners))
        try:
            self._apply(event, record.key)
            if any(abs(row.balance) >= 2**63 for row in self.balances.values()):
                raise OverflowError
        except (KeyError, ValueError, OverflowError):
            self.balances, self.owners = before
            self.aside[record.stream] = [record.position]

    def _apply(self, event: object, key: str) -> None:
        match event:
            case Opened(owner=owner) if key not in self.balances:
                self.balances[key] = Balance(key, owner)
                self.owners.setdefault(owner, Owner(owner)).accounts += 1
            case Paid(amount=amount):
                row = self.balances[key]
                row.balance += 2**63 if amount == TOO_MUCH else amount
                self.owners[row.owner].paid += amount
                if amount == UNLUCKY:
                    raise ValueError
            case Took(amount=amount):
                if key in self.balances:
                    self.balances[key].balance -= amount
            case Noted(lines=lines):
                row = self.balances[key]
                for other in self.balances.values():
                    if other.owner == row.owner:
                        other.lines = [*other.lines, *lines]
                row.lines.append("end")
            case Refused():
                self.balances.pop(key, None)
            case _:
                pass


async def folded(app: App, until: int | None = None) -> Fold:
    """The fold of what is stored."""
    fold = Fold()
    async for event, record in app.store.read(until=until):
        fold.apply(event, record)
    return fold


class QuickClock(SystemClock):
    """Real time, but who sleeps wakes early: nobody in a test wants to wait for a backoff."""

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(min(seconds, 0.002))


@asynccontextmanager
async def ledger_app(store: StoreMaker, *parts: Any, mode: Mode = "async", **options: Any) -> AsyncGenerator[App, None]:
    options = {"clock": QuickClock(), "read_timeout": 20.0, **options}
    async with App("bank", Account, Unexpected, *(parts or (ledger(mode),)), store=store(), **options) as app:
        yield app


async def caught_up(app: App) -> tuple[list[Balance], list[Owner]]:
    """Every row, as soon as everything that is stored has been dealt with."""
    return await app.ask(AllRows(), after=Position(await app.store.head()))


async def eventually(condition: Callable[[], Awaitable[object]], *, seconds: float = 20.0) -> None:
    """Wait until it holds; not for ever."""
    async with asyncio.timeout(seconds):
        while not await condition():  # noqa: ASYNC110 (whatever it asks is moved by other tasks and processes)
            await asyncio.sleep(0.002)
