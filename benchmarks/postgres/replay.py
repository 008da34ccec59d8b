"""Work: events per second when a stream of 10,000 in PostgreSQL is folded into its state.

everfold: ``App.load``. Raw, from everfold's tables: all columns of the stream fetched at once and the data decoded into
typed events, not folded; and only type and data, decoded and folded. Peer: ``repository.get``.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from functools import partial

import msgspec

from benchmarks.everfold_side import bank, fill
from benchmarks.payload import BALANCE, OPENED_TYPE, account_ids, stream_of
from benchmarks.peer_side import fill as fill_peer
from benchmarks.postgres.database import database
from benchmarks.postgres.peer import peer_bank
from benchmarks.postgres.raw import RawStore, statement
from benchmarks.replay import fold_everfold, fold_peer
from benchmarks.report import Table, at_least, compare
from benchmarks.turns import Bench, Sample, Stopwatch, in_turns
from examples.accounts.domain import Account, AccountOpened

__all__ = ["measure"]

STREAM = stream_of(account_ids(1)[0])
DECODERS = {OPENED_TYPE: msgspec.json.Decoder(AccountOpened).decode}


async def measure(bench: Bench) -> AsyncIterator[Table]:
    """One table."""
    count = bench.count(10_000, quick=50)
    with database() as place, place.new_schema() as schema, place.new_schema() as peer_schema:
        async with bank(place.url(schema)) as app:
            await fill(app, streams=1, events_each=count)
            store, peer = RawStore(place, schema, is_new=False), peer_bank(place, peer_schema)
            (peer_id,) = fill_peer(peer, streams=1, events_each=count)
            place.settle()
            sides: dict[str, Sample] = {
                "everfold": partial(fold_everfold, app, count),
                "raw fetch and decode": partial(_raw, store, count),
                "raw type and data, decoded and folded": partial(_raw_folded, store, count),
                "peer": partial(fold_peer, peer, peer_id, count),
            }
            work = f"replay of {count:,} events from {place.title}"
            samples = await in_turns(work, sides, bench)
            store.close()
            peer.close()
    yield compare(work, "events/s", samples, targets={"peer": at_least(3)})


async def _raw(store: RawStore, count: int) -> list[float]:
    stretch = {"stream": STREAM, "after": 0, "until": count, "limit": count}
    read = statement("read_stream_forwards", store.schema)
    with Stopwatch() as watch:
        rows = store.connection.execute(read, stretch, prepare=True).fetchall()
        events = [DECODERS[row[3]](row[7]) for row in rows]
    assert len(events) == count
    return watch.rate(count)


async def _raw_folded(store: RawStore, count: int) -> list[float]:
    account = Account()
    read = statement("fold", store.schema)
    with Stopwatch() as watch:
        for type, data in store.connection.execute(read, (STREAM,), prepare=True):
            account.opened(DECODERS[type](data))
    assert account.balance == BALANCE
    return watch.rate(count)
