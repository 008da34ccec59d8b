"""Work: how long it takes from a commit to PostgreSQL until a query sees it, projected by another process.

Measured as in ``lag``: when nothing else goes on, and while this process executes some 200 commands per second. Peer:
from the return of ``save`` until the view that its projection runner in another process writes knows the position; it
is asked for that all the time, for its own ``wait`` would ask every 100 ms.
"""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import AsyncIterator
from functools import partial
from itertools import cycle

from benchmarks.child import child, heard, say
from benchmarks.lag import ACCOUNTS, PAUSE, WARM_UP, lags_to_another_process
from benchmarks.peer_side import new_accounts
from benchmarks.peer_views import PeerAccounts
from benchmarks.postgres.database import Database, database
from benchmarks.postgres.peer import peer_bank, peer_runner, peer_view
from benchmarks.report import Table, at_most, compare, percentile_99
from benchmarks.turns import Bench, Sample, in_turns

__all__ = ["measure"]

RATE = 200
TARGET = 50


async def measure(bench: Bench) -> AsyncIterator[Table]:
    """Median and 99th percentile, when it is quiet and when it is not."""
    count = bench.count(100, quick=3)
    with database() as place:
        quiet: dict[str, Sample] = {
            "everfold": partial(_everfold, place, count, 0),
            "peer": partial(_peer, place, count),
        }
        busy: dict[str, Sample] = {"everfold": partial(_everfold, place, count, RATE)}
        for when, sides in (("when nothing else goes on", quiet), (f"at {RATE} commands per second", busy)):
            work = f"lag to another process on {place.title} {when}"
            samples = await in_turns(work, sides, bench)
            yield compare(f"{work}, median", "ms", samples, targets={"everfold": at_most(TARGET)})
            yield compare(f"{work}, 99th percentile", "ms", samples, targets={}, figure=percentile_99)


async def _everfold(place: Database, count: int, rate: int) -> list[float]:
    with place.new_schema() as schema:
        return await lags_to_another_process(place.url(schema), count, rate=rate)


async def _peer(place: Database, count: int) -> list[float]:
    lags: list[float] = []
    with place.new_schema() as schema, place.new_schema() as view_schema:
        peer = peer_bank(place, schema)
        ids = new_accounts(peer, ACCOUNTS)
        async with child("postgres.lag", place.address, schema, view_schema):
            view = peer_view(place, view_schema, PeerAccounts)
            for number, id in zip(range(WARM_UP + count), cycle(ids), strict=False):
                await asyncio.sleep(PAUSE)
                peer.deposit(id)
                started = time.perf_counter()
                committed = peer.recorder.max_notification_id()
                while not view.has_tracking_id(peer.name, committed):
                    time.sleep(0.001)  # noqa: ASYNC251 (nothing else is to go on)
                if number >= WARM_UP:
                    lags.append((time.perf_counter() - started) * 1_000)
            view.datastore.close()
        peer.close()
    return lags


async def _project(address: str, log: str, view: str) -> None:
    """The other process: project until there is nobody to tell anything."""
    with peer_runner(Database(address), log, view, PeerAccounts):
        say("ready")
        await heard()


if __name__ == "__main__":
    asyncio.run(_project(*sys.argv[1:]))
