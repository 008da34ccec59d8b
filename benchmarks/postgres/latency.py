"""Work: how long one command takes when it is alone on PostgreSQL, in milliseconds.

everfold: a deposit through ``App.execute``. Raw: one row by one statement that commits; directly in the calling thread,
and through a group commit's writer thread and back, which takes the lock of the head too. Peer: get, deposit and save.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from functools import partial

from benchmarks.latency import deposits_in_turn, peer_in_turn, places, through_a_thread, timed
from benchmarks.payload import DEPOSITED_JSON, DEPOSITED_TYPE
from benchmarks.postgres.database import Database, database
from benchmarks.postgres.peer import peer_bank
from benchmarks.postgres.raw import RawStore
from benchmarks.raw_side import row
from benchmarks.report import Table, at_most, compare, percentile_99
from benchmarks.turns import Bench, Sample, in_turns

__all__ = ["measure"]


async def measure(bench: Bench) -> AsyncIterator[Table]:
    """Two tables of the same samples: median and 99th percentile."""
    count = bench.count(300, quick=5)
    with database() as place:
        sides: dict[str, Sample] = {
            "everfold": partial(_everfold, place, count),
            "raw one-row commit": partial(_raw, place, count),
            "raw group commit of one row, through a thread": partial(_threaded, place, count),
            "peer": partial(_peer, place, count),
        }
        work = f"one command on {place.title}"
        samples = await in_turns(work, sides, bench)
    targets = {"raw one-row commit": at_most(3)}
    yield compare(f"{work}, median", "ms", samples, targets=targets)
    yield compare(f"{work}, 99th percentile", "ms", samples, targets={}, figure=percentile_99)


async def _everfold(place: Database, count: int) -> list[float]:
    with place.new_schema() as schema:
        return await deposits_in_turn(place.url(schema), count)


async def _raw(place: Database, count: int) -> list[float]:
    with place.new_schema() as schema:
        store = RawStore(place, schema)
        rows = places()

        async def step() -> None:
            store.commit_one(row(*next(rows), type=DEPOSITED_TYPE, data=DEPOSITED_JSON))

        times = await timed(step, count)
        store.close()
    return times


async def _threaded(place: Database, count: int) -> list[float]:
    with place.new_schema() as schema:
        return await through_a_thread(RawStore(place, schema), count)


async def _peer(place: Database, count: int) -> list[float]:
    with place.new_schema() as schema:
        return await peer_in_turn(peer_bank(place, schema), count)
