"""Work: events per second when a log of 200,000 in PostgreSQL is read from beginning to end, in pages of 1,000.

The sides are those of ``read``; the bare driver's pages come from everfold's tables, the peer's from its own.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from functools import partial

from benchmarks.everfold_side import bank, fill
from benchmarks.peer_side import fill as fill_peer
from benchmarks.postgres.database import database
from benchmarks.postgres.peer import peer_bank
from benchmarks.postgres.raw import RawStore
from benchmarks.read import PAGE, tables
from benchmarks.report import Table, at_least
from benchmarks.turns import Bench

__all__ = ["measure"]


async def measure(bench: Bench) -> AsyncIterator[Table]:
    """The three tables of ``read``."""
    streams = bench.count(200, quick=2)
    events_each = bench.count(1_000, quick=50)
    with database() as place, place.new_schema() as schema, place.new_schema() as peer_schema:
        async with bank(place.url(schema)) as app:
            await fill(app, streams=streams, events_each=events_each)
            store, peer = RawStore(place, schema, is_new=False), peer_bank(place, peer_schema)
            fill_peer(peer, streams=streams, events_each=events_each)
            place.settle()
            work = f"read from {place.title}"
            async for table in tables(
                bench, work, app, partial(store.pages, PAGE), peer, targets={"peer": at_least(3)}
            ):
                yield table
            store.close()
            peer.close()
