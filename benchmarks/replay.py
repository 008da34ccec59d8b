"""Work: events per second when a stream of 10,000 is folded into its state.

everfold: ``App.load``. Raw: all columns of the stream fetched at once and the data decoded into typed events, not
folded; and, for what the driver could do at best, only type and data, streamed, decoded and folded. Both raw sides
read everfold's file. Peer: ``repository.get``.
"""

from __future__ import annotations

import sqlite3
from collections.abc import AsyncIterator
from functools import partial
from uuid import UUID

import msgspec

from benchmarks.everfold_side import bank, fill
from benchmarks.payload import BALANCE, OPENED_TYPE, account_ids, stream_of
from benchmarks.peer_side import PeerAccount, PeerBank, peer_bank
from benchmarks.peer_side import fill as fill_peer
from benchmarks.raw_side import STATEMENTS, connect
from benchmarks.report import Table, at_least, compare
from benchmarks.turns import Bench, Sample, Stopwatch, in_turns
from everfold import App
from examples.accounts.domain import Account, AccountOpened

__all__ = ["fold_everfold", "fold_peer", "measure"]

KEY = account_ids(1)[0]
STREAMED = "SELECT type, data FROM events WHERE stream = ? ORDER BY version"
DECODERS = {OPENED_TYPE: msgspec.json.Decoder(AccountOpened).decode}


async def measure(bench: Bench) -> AsyncIterator[Table]:
    """One table."""
    count = bench.count(10_000, quick=50)
    with bench.new_file() as path, bench.new_file() as peer_path:
        async with bank(path) as app:
            await fill(app, streams=1, events_each=count)
            connection, peer = connect(path), peer_bank(peer_path)
            (peer_id,) = fill_peer(peer, streams=1, events_each=count)
            sides: dict[str, Sample] = {
                "everfold": partial(fold_everfold, app, count),
                "raw fetch and decode": partial(_raw, connection, count),
                "raw streamed, decoded, folded": partial(_raw_streamed, connection, count),
                "peer": partial(fold_peer, peer, peer_id, count),
            }
            work = f"replay of {count:,} events"
            samples = await in_turns(work, sides, bench)
            connection.close()
            peer.close()
    targets = {"raw fetch and decode": at_least(0.6), "peer": at_least(15)}
    yield compare(work, "events/s", samples, targets=targets)


async def fold_everfold(app: App, count: int) -> list[float]:
    """Events per second of a load."""
    with Stopwatch() as watch:
        account = await app.load(Account, KEY)
    assert account.balance == BALANCE
    return watch.rate(count)


async def _raw(connection: sqlite3.Connection, count: int) -> list[float]:
    stretch = {"stream": stream_of(KEY), "after": 0, "until": count, "limit": count}
    with Stopwatch() as watch:
        rows = connection.execute(STATEMENTS["read_stream_forwards"], stretch).fetchall()
        events = [DECODERS[row[3]](row[7]) for row in rows]
    assert len(events) == count
    return watch.rate(count)


async def _raw_streamed(connection: sqlite3.Connection, count: int) -> list[float]:
    account = Account()
    with Stopwatch() as watch:
        for type, data in connection.execute(STREAMED, (stream_of(KEY),)):
            account.opened(DECODERS[type](data))
    assert account.balance == BALANCE
    return watch.rate(count)


async def fold_peer(peer: PeerBank, id: UUID, count: int) -> list[float]:
    """The same of the peer."""
    with Stopwatch() as watch:
        account: PeerAccount = peer.repository.get(id)
    assert account.balance == BALANCE
    return watch.rate(count)
