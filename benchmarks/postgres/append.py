"""Work: events per second appended to PostgreSQL, one by one by many callers and in batches, beside bare inserts.

One by one: 1,000 callers in one process, or in four together, each appending to streams of its own through
``EventStore.append`` with an expected version. Batches of 100: 8 callers (two in each of four processes).
Raw, without any lock or check: rows committed one by one; by ``unnest``, 100 or 500 in a transaction of one statement;
by COPY, 500 in a transaction. Peer: batches of finished domain events through ``application.events.put``.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Sequence
from functools import partial

import msgspec

from benchmarks.commands import Plan
from benchmarks.payload import stream_of
from benchmarks.peer_side import opened_events
from benchmarks.postgres.database import Database, database
from benchmarks.postgres.peer import peer_bank
from benchmarks.postgres.raw import RawStore
from benchmarks.postgres.together import PROCESSES, together
from benchmarks.raw_side import Row, row
from benchmarks.report import Table, at_least, compare
from benchmarks.turns import Bench, Sample, Stopwatch, in_turns

__all__ = ["measure"]

WARM_UP = 3
TARGETS = {"everfold, one process": at_least(1.0), "raw, 500 rows by unnest": at_least(0.6)}


class _Bare(msgspec.Struct, frozen=True):
    size: int
    commit: Callable[[RawStore, Sequence[Row]], None]


def _commit_one(store: RawStore, rows: Sequence[Row]) -> None:
    store.commit_one(rows[0])


BARE = {
    "raw, single rows": _Bare(1, _commit_one),
    "raw, 100 rows by unnest": _Bare(100, RawStore.commit_unnested),
    "raw, 500 rows by unnest": _Bare(500, RawStore.commit_unnested),
    "raw, 500 rows by COPY": _Bare(500, RawStore.commit_copied),
}


async def measure(bench: Bench) -> AsyncIterator[Table]:
    """A table for single events, and one for batches."""
    one_by_one = Plan(8, 8, 2) if bench.is_quick else Plan(1_000, 1_000, 20)
    batches = Plan(8, 8, bench.count(25, quick=1))
    rows = bench.count(20_000, quick=500)
    processes = bench.count(PROCESSES, quick=2)
    with database() as place:
        bare: dict[str, Sample] = {side: partial(_raw, place, how, rows) for side, how in BARE.items()}
        peer = partial(_peer, place, bench.count(50, quick=1))
        for work, plan, size in (("one by one", one_by_one, 1), ("in batches of 100", batches, 100)):
            sides: dict[str, Sample] = {
                "everfold, four processes": partial(_everfold, place, plan, size, processes),
                "everfold, one process": partial(_everfold, place, plan, size, 1),
                **bare,
            }
            if size > 1:
                sides["peer"] = peer
            title = f"append to {place.title}, {work}"
            yield compare(title, "events/s", await in_turns(title, sides, bench), targets=TARGETS)


async def _everfold(place: Database, plan: Plan, size: int, processes: int) -> list[float]:
    with place.new_schema() as schema:
        return await together(place, "appends", plan, processes=processes, schema=schema, size=size)


async def _raw(place: Database, how: _Bare, count: int) -> list[float]:
    # Single rows are so much slower that a tenth of them says as much.
    timed = (count if how.size > 1 else max(count // 10, 1)) // how.size
    starts = range(0, (WARM_UP + timed) * how.size, how.size)
    stream = stream_of("a1")
    batches = [[row(number, stream, number) for number in range(start + 1, start + how.size + 1)] for start in starts]
    with place.new_schema() as schema:
        store = RawStore(place, schema)
        for batch in batches[:WARM_UP]:
            how.commit(store, batch)
        with Stopwatch() as watch:
            for batch in batches[WARM_UP:]:
                how.commit(store, batch)
        store.close()
    return watch.rate(timed * how.size)


async def _peer(place: Database, count: int) -> list[float]:
    events = opened_events((WARM_UP + count) * 100)
    batches = [events[start : start + 100] for start in range(0, len(events), 100)]
    with place.new_schema() as schema:
        peer = peer_bank(place, schema)
        for batch in batches[:WARM_UP]:
            peer.events.put(batch)
        with Stopwatch() as watch:
            for batch in batches[WARM_UP:]:
                peer.events.put(batch)
        peer.close()
    return watch.rate(count * 100)
