"""The peer's read side: its projection runner over materialised views in SQLite, with its own defaults.

Each view is a tracking recorder, as its documentation has it: row and position are committed together, once per
event; its commits are synchronous, by default. Its runner refuses to follow a log in SQLite ("does not support
subscriptions"), so the log is in memory, which favours it.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable
from pathlib import Path
from typing import Any, LiteralString
from uuid import UUID

from eventsourcing.dispatch import singledispatchmethod
from eventsourcing.persistence import ApplicationRecorder, StoredEvent, Tracking, TrackingRecorder
from eventsourcing.projection import Projection, ProjectionRunner
from eventsourcing.sqlite import SQLiteDatastore, SQLiteTrackingRecorder

from benchmarks.payload import BALANCE, METADATA_JSON, OWNER
from benchmarks.peer_side import PeerAccount, PeerBank

__all__ = [
    "TABLES",
    "PeerAccounts",
    "PeerMovements",
    "PeerProjection",
    "PeerView",
    "fill_in_turn",
    "peer_log",
    "peer_runner",
]


TABLES: tuple[LiteralString, ...] = (
    "CREATE TABLE IF NOT EXISTS {schema}movements (position INTEGER PRIMARY KEY, account_id TEXT, amount INTEGER)",
    "CREATE TABLE IF NOT EXISTS {schema}accounts (account_id TEXT PRIMARY KEY, owner TEXT, balance INTEGER)",
)


class PeerView(TrackingRecorder):
    """What the projections write to."""

    @abstractmethod
    def change(self, tracking: Tracking, statement: str, values: tuple[object, ...]) -> None:
        """One statement (with its place for the schema) and the position, in one transaction."""


class SqlitePeerView(SQLiteTrackingRecorder, PeerView):
    """Tables of both shapes, of which a projection uses one."""

    def __init__(self, datastore: SQLiteDatastore, **options: Any) -> None:
        super().__init__(datastore, **options)
        self.create_table_statements += [table.format(schema="") for table in TABLES]

    def change(self, tracking: Tracking, statement: str, values: tuple[object, ...]) -> None:
        """One statement and the position, in one transaction."""
        with self.datastore.transaction(commit=True) as cursor:
            self._insert_tracking(cursor, tracking)
            cursor.execute(statement.format(schema=""), values)


class PeerProjection(Projection[Any]):
    """Finds the handler by the name of the event's class."""

    @singledispatchmethod
    def process_event(self, domain_event: Any, tracking: Tracking) -> None:
        """Handle an event, or only note the position."""
        handle: Callable[[Any, Tracking], None] | None = getattr(self, f"on_{type(domain_event).__name__}", None)
        if handle is None:
            self.view.insert_tracking(tracking)
        else:
            handle(domain_event, tracking)


class PeerMovements(PeerProjection):
    """A row for each event."""

    def on_AccountOpened(self, event: Any, tracking: Tracking) -> None:  # noqa: N802 (the name of the event)
        self._put(event, tracking, event.initial_balance)

    def on_MoneyDeposited(self, event: Any, tracking: Tracking) -> None:  # noqa: N802 (the name of the event)
        self._put(event, tracking, event.amount)

    def _put(self, event: Any, tracking: Tracking, amount: int) -> None:
        values = (tracking.notification_id, str(event.originator_id), amount)
        self.view.change(tracking, "INSERT INTO {schema}movements VALUES (?, ?, ?)", values)


class PeerAccounts(PeerProjection):
    """A row for each account."""

    def on_AccountOpened(self, event: Any, tracking: Tracking) -> None:  # noqa: N802 (the name of the event)
        values = (str(event.originator_id), event.owner, event.initial_balance)
        self.view.change(tracking, "INSERT INTO {schema}accounts VALUES (?, ?, ?)", values)

    def on_MoneyDeposited(self, event: Any, tracking: Tracking) -> None:  # noqa: N802 (the name of the event)
        statement = "UPDATE {schema}accounts SET balance = balance + ? WHERE account_id = ?"
        self.view.change(tracking, statement, (event.amount, str(event.originator_id)))


def peer_log(*, streams: int, events_each: int) -> PeerBank:
    """An application in memory with accounts whose events take turns."""
    bank = PeerBank(env={"PERSISTENCE_MODULE": "eventsourcing.popo"})
    fill_in_turn(bank, streams=streams, events_each=events_each)
    return bank


def fill_in_turn(bank: PeerBank, *, streams: int, events_each: int) -> None:
    """Store accounts whose events take turns."""
    account = PeerAccount()
    account.open(owner=OWNER, initial_balance=BALANCE, metadata=METADATA_JSON)
    while len(account.pending_events) < events_each:
        account.deposit(1)
    patterns = [bank.mapper.to_stored_event(each) for each in account.collect_events()]
    ids = [PeerAccount.create_id() for _ in range(streams)]
    for pattern in patterns:
        bank.recorder.insert_events([_as_of(pattern, id) for id in ids])


def _as_of(pattern: StoredEvent, id: UUID) -> StoredEvent:
    return StoredEvent(id, pattern.originator_version, pattern.topic, pattern.state)


def peer_runner(log: PeerBank, view: Path, projection: type[PeerProjection]) -> ProjectionRunner[Any, Any]:
    """Start to project a log; leave it (it is a context manager) after use."""

    class Filled(PeerBank):
        def construct_recorder(self) -> ApplicationRecorder:
            return log.recorder

    environment = {
        "PERSISTENCE_MODULE": "eventsourcing.popo",
        f"{projection.__name__.upper()}_PERSISTENCE_MODULE": "eventsourcing.sqlite",
        f"{projection.__name__.upper()}_SQLITE_DBNAME": str(view),
    }
    return ProjectionRunner(
        application_class=Filled, projection_class=projection, view_class=SqlitePeerView, env=environment
    )
