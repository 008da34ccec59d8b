"""Work: events per second appended to one stream in batches of 1, 10 and 100, one durable transaction each.

everfold: typed events through ``EventStore.append`` with an expected version. Raw: ``executemany`` of finished rows.
Peer: finished domain events through ``application.events.put`` (encoding and insertion, without an aggregate).
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from functools import partial

import msgspec

from benchmarks.everfold_side import bank, with_metadata
from benchmarks.payload import OPENED, stream_of
from benchmarks.peer_side import opened_events, peer_bank
from benchmarks.raw_side import commit_rows, create, row
from benchmarks.report import Table, at_least, compare
from benchmarks.turns import Bench, Sample, Stopwatch, in_turns

__all__ = ["measure"]

STREAM = stream_of("a1")
WARM_UP = 3


class Plan(msgspec.Struct, frozen=True):
    """So many batches of one size, after a few that are not timed."""

    size: int
    batches: int

    @property
    def starts(self) -> range:
        """How many events there are before each batch, the untimed ones included."""
        return range(0, (WARM_UP + self.batches) * self.size, self.size)

    @property
    def events(self) -> int:
        """How many are timed."""
        return self.size * self.batches


async def measure(bench: Bench) -> AsyncIterator[Table]:
    """A table for each size."""
    for size, batches in ((1, 500), (10, 400), (100, 300)):
        plan = Plan(size, bench.count(batches, quick=3))
        sides: dict[str, Sample] = {
            "everfold": partial(_everfold, plan, bench),
            "raw executemany": partial(_raw, plan, bench),
            "peer": partial(_peer, plan, bench),
        }
        work = f"append, batches of {size}"
        samples = await in_turns(work, sides, bench)
        targets = {"raw executemany": at_least(0.7)} if size == 100 else {}
        yield compare(work, "events/s", samples, targets=targets)


async def _everfold(plan: Plan, bench: Bench) -> list[float]:
    events = [OPENED] * plan.size
    with bench.new_file() as path, with_metadata():
        async with bank(path) as app:
            for start in plan.starts[:WARM_UP]:
                await app.store.append(STREAM, *events, expected=start)
            with Stopwatch() as watch:
                for start in plan.starts[WARM_UP:]:
                    await app.store.append(STREAM, *events, expected=start)
    return watch.rate(plan.events)


async def _raw(plan: Plan, bench: Bench) -> list[float]:
    batches = [
        [row(number, STREAM, number) for number in range(start + 1, start + plan.size + 1)] for start in plan.starts
    ]
    with bench.new_file() as path:
        connection = create(path)
        for start, rows in zip(plan.starts[:WARM_UP], batches, strict=False):
            commit_rows(connection, rows, start + plan.size)
        with Stopwatch() as watch:
            for start, rows in zip(plan.starts[WARM_UP:], batches[WARM_UP:], strict=True):
                commit_rows(connection, rows, start + plan.size)
        connection.close()
    return watch.rate(plan.events)


async def _peer(plan: Plan, bench: Bench) -> list[float]:
    events = opened_events(len(plan.starts) * plan.size)
    batches = [events[start : start + plan.size] for start in plan.starts]
    with bench.new_file() as path:
        peer = peer_bank(path)
        for batch in batches[:WARM_UP]:
            peer.events.put(batch)
        with Stopwatch() as watch:
            for batch in batches[WARM_UP:]:
                peer.events.put(batch)
        peer.close()
    return watch.rate(plan.events)
