"""Work: events per second when a projection catches up with a log, into tables of an SQLite file.

Two shapes: a row per event that is put, and a row per stream that is changed in place. The log holds 200,000 events
of 5,000 accounts that take turns, so that hardly two events of a batch are for the same row. Timed from the start of
the application until a query that wants to know everything is answered.

everfold: batches of 1,000 events, each one transaction; the file of views is synced at checkpoints only, for it can be
built again. Raw: pages of 1,000 fetched from everfold's file, decoded, and written by ``executemany`` with the same
settings; rows are kept in a dict. Peer: its projection runner on a log in memory (see ``peer_views``), with a
fortieth of the events.
"""

from __future__ import annotations

import sqlite3
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import AsyncExitStack, ExitStack
from functools import partial
from pathlib import Path

import msgspec

from benchmarks.everfold_side import bank, caught_up, fill_interleaved
from benchmarks.payload import account_ids
from benchmarks.peer_side import PeerBank
from benchmarks.peer_views import PeerAccounts, PeerMovements, PeerProjection, peer_log, peer_runner
from benchmarks.raw_side import STATEMENTS, Row, connect
from benchmarks.read_models import Accounts, CountMovements, GetAccount, Movements
from benchmarks.report import Table, at_least, compare
from benchmarks.turns import Bench, Sample, Stopwatch, in_turns
from everfold import Projection, Query
from examples.accounts.domain import AccountOpened, MoneyDeposited

__all__ = ["PAGE", "TIMEOUT", "account_of", "amount_of", "key_of", "measure"]

PAGE = 1_000
AccountValues = tuple[str, str, int]
TIMEOUT = 600.0
DECODERS: dict[str, Callable[[str], AccountOpened | MoneyDeposited]] = {
    "account-opened": msgspec.json.Decoder(AccountOpened).decode,
    "money-deposited": msgspec.json.Decoder(MoneyDeposited).decode,
}
RAW_TABLES = """
    CREATE TABLE movements (position INTEGER PRIMARY KEY, account_id TEXT, amount INTEGER) STRICT, WITHOUT ROWID;
    CREATE TABLE accounts (account_id TEXT PRIMARY KEY, owner TEXT, balance INTEGER) STRICT, WITHOUT ROWID;
    CREATE INDEX accounts_owner ON accounts (owner);
    CREATE TABLE reached (position INTEGER);
    INSERT INTO reached VALUES (0);
"""
PUT_MOVEMENT = "INSERT INTO movements VALUES (?, ?, ?)"
PUT_ACCOUNT = (
    "INSERT INTO accounts VALUES (?, ?, ?) ON CONFLICT DO UPDATE SET owner = excluded.owner, balance = excluded.balance"
)


class Shape(msgspec.Struct, frozen=True):
    """What is projected on each side."""

    name: str
    projection: type[Projection]
    query: Query[object]
    raw: Callable[[sqlite3.Connection], RawView]
    peer: type[PeerProjection]


async def measure(bench: Bench) -> AsyncIterator[Table]:
    """A table for each shape."""
    streams, peer_streams = bench.count(5_000, quick=5), bench.count(125, quick=5)
    events_each = bench.count(40, quick=4)
    peer = peer_log(streams=peer_streams, events_each=events_each)
    with bench.new_file() as path:
        async with bank(path) as app:
            count = await fill_interleaved(app, streams=streams, events_each=events_each)
        for shape in SHAPES:
            sides: dict[str, Sample] = {
                "everfold": partial(_everfold, bench, path, shape, count),
                "raw pages and executemany": partial(_raw, bench, path, shape, count),
                "peer": partial(_peer, bench, peer, shape, peer_streams * events_each),
            }
            work = f"catch-up of {count:,} events, {shape.name}"
            samples = await in_turns(work, sides, bench)
            yield compare(work, "events/s", samples, targets={"peer": at_least(20)})


async def _everfold(bench: Bench, path: Path, shape: Shape, count: int) -> list[float]:
    async with AsyncExitStack() as stack:
        with Stopwatch() as watch:
            app = await stack.enter_async_context(bank(path, shape.projection))
            await caught_up(app, shape.query, count)
    bench.remove_views(path)
    return watch.rate(count)


async def _raw(bench: Bench, path: Path, shape: Shape, count: int) -> list[float]:
    with bench.new_file() as view_path:
        log, view = connect(path), connect(view_path)
        view.execute("PRAGMA synchronous = NORMAL")
        view.executescript(RAW_TABLES)
        write = shape.raw(view)
        after = 0
        with Stopwatch() as watch:
            while rows := log.execute(STATEMENTS["read_log_forwards"], _page(after, count)).fetchall():
                after = rows[-1][0]
                view.execute("BEGIN IMMEDIATE")
                write(rows)
                view.execute("UPDATE reached SET position = ?", (after,))
                view.execute("COMMIT")
        assert after == count
        log.close()
        view.close()
    return watch.rate(count)


def _page(after: int, count: int) -> dict[str, int]:
    return {"after": after, "until": count, "limit": PAGE}


RawView = Callable[[Sequence[Row]], None]


def _raw_movements(view: sqlite3.Connection) -> RawView:
    def write(rows: Sequence[Row]) -> None:
        view.executemany(PUT_MOVEMENT, [(row[0], key_of(row), amount_of(row)) for row in rows])

    return write


def _raw_accounts(view: sqlite3.Connection) -> RawView:
    accounts: dict[str, AccountValues] = {}

    def write(rows: Sequence[Row]) -> None:
        touched: dict[str, AccountValues] = {}
        for row in rows:
            account = account_of(row, accounts)
            accounts[account[0]] = touched[account[0]] = account
        view.executemany(PUT_ACCOUNT, touched.values())

    return write


def account_of(row: Row, accounts: Mapping[str, AccountValues]) -> AccountValues:
    """What a record makes of its account."""
    event, key = DECODERS[row[3]](row[7]), key_of(row)
    if isinstance(event, AccountOpened):
        return key, event.owner, event.initial_balance
    _, owner, balance = accounts[key]
    return key, owner, balance + event.amount


def key_of(row: Row) -> str:
    """The account's key."""
    return str(row[1]).partition("-")[2]


def amount_of(row: Row) -> int:
    """What the record moved."""
    event = DECODERS[row[3]](row[7])
    return event.initial_balance if isinstance(event, AccountOpened) else event.amount


async def _peer(bench: Bench, log: PeerBank, shape: Shape, count: int) -> list[float]:
    with bench.new_file() as path, ExitStack() as stack:  # noqa: SIM117 (what the stack leaves is not timed)
        with Stopwatch() as watch:
            runner = stack.enter_context(peer_runner(log, path, shape.peer))
            runner.wait(count, timeout=TIMEOUT)
    return watch.rate(count)


SHAPES = (
    Shape("a row per event", Movements, CountMovements(), _raw_movements, PeerMovements),
    Shape("a row per stream", Accounts, GetAccount(account_id=account_ids(1)[0]), _raw_accounts, PeerAccounts),
)
