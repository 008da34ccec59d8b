"""The peer: ``eventsourcing`` with its own defaults on an SQLite file (which are WAL and ``synchronous=FULL``).

Its account has the events of the example. Each carries one field more, a text as long as the metadata that everfold
stores beside an event, so that equally much is written. It gives no ids to events, keeps no index by id or by type,
checks no types, and loads an aggregate from its events for every command: that is how it comes.
"""

from __future__ import annotations

from pathlib import Path
from typing import cast
from uuid import UUID

from eventsourcing.application import Application
from eventsourcing.domain import Aggregate, DomainEventProtocol, event
from eventsourcing.persistence import StoredEvent

from benchmarks.payload import AMOUNT, BALANCE, METADATA_JSON, OWNER

__all__ = ["PeerAccount", "PeerBank", "fill", "new_accounts", "opened_events", "peer_bank"]

DomainEvent = DomainEventProtocol[UUID]


class PeerAccount(Aggregate):
    """The account of the example, as the peer's users would write it."""

    is_open: bool
    balance: int

    def __init__(self) -> None:
        self.is_open = False
        self.balance = 0

    @event("AccountOpened")
    def open(self, owner: str, initial_balance: int, metadata: str) -> None:
        self.is_open, self.balance = True, initial_balance

    @event("MoneyDeposited")
    def _deposited(self, amount: int, metadata: str) -> None:
        self.balance += amount

    def deposit(self, amount: int) -> None:
        if not self.is_open:
            raise ValueError("The account is not open.")
        self._deposited(amount=amount, metadata=METADATA_JSON)


class PeerBank(Application[UUID]):
    """The application."""

    def deposit(self, account_id: UUID) -> None:
        """One command: load, decide, save."""
        account: PeerAccount = self.repository.get(account_id)
        account.deposit(AMOUNT)
        self.save(account)


def peer_bank(path: Path) -> PeerBank:
    """The application on a file; close it after use."""
    return PeerBank(env={"PERSISTENCE_MODULE": "eventsourcing.sqlite", "SQLITE_DBNAME": str(path)})


def new_accounts(bank: PeerBank, count: int) -> list[UUID]:
    """Open accounts, all in one transaction."""
    accounts = [PeerAccount() for _ in range(count)]
    for account in accounts:
        account.open(owner=OWNER, initial_balance=BALANCE, metadata=METADATA_JSON)
    bank.save(*accounts)
    return [account.id for account in accounts]


def opened_events(count: int) -> list[DomainEvent]:
    """The first events of one new account: it is created, then opened again and again."""
    account = PeerAccount()
    for _ in range(count - 1):
        account.open(owner=OWNER, initial_balance=BALANCE, metadata=METADATA_JSON)
    return cast("list[DomainEvent]", list(account.collect_events()))


def fill(bank: PeerBank, *, streams: int, events_each: int) -> list[UUID]:
    """Store accounts of so many events, each account in one transaction; their ids.

    Every account has its own id and the bytes of the same encoded events.
    """
    patterns = [bank.mapper.to_stored_event(each) for each in opened_events(events_each)]
    ids = [PeerAccount.create_id() for _ in range(streams)]
    for id in ids:
        bank.recorder.insert_events(
            [StoredEvent(id, pattern.originator_version, pattern.topic, pattern.state) for pattern in patterns]
        )
    return ids
