"""Work: a projection of 1,000,000 events is built anew: how fast, in how much memory, and what writers notice of it.

A row per stream is changed in place, for 25,000 accounts whose events take turns. The whole rebuild runs in a process
of its own, whose peak memory is reported. What writers notice is measured in short turns, since it is as small as the
machine's noise: a process executes commands of 100 callers for some seconds, while another process rebuilds, while it
does so itself, and alone. Its own projection follows the log, in all three cases.
"""

from __future__ import annotations

import itertools
from collections.abc import AsyncIterator, Iterator
from functools import partial
from pathlib import Path

import msgspec

from benchmarks.child import child
from benchmarks.everfold_side import bank, caught_up, fill_interleaved
from benchmarks.payload import account_ids
from benchmarks.read_models import Accounts, GetAccount
from benchmarks.rebuild_side import REBUILD, Rebuilt, Written
from benchmarks.report import Table, at_least, at_most, compare
from benchmarks.turns import Bench, Sample, in_turns

__all__ = ["measure"]

ROUNDS = 3
LIMIT_MB = 200
SECONDS = 3
ELSEWHERE, HERE, ALONE = "during a rebuild in another process", "during a rebuild in the same process", "alone"


async def measure(bench: Bench) -> AsyncIterator[Table]:
    """Rate, memory, and the writer's commands beside it."""
    streams, events_each = bench.count(25_000, quick=5), bench.count(40, quick=4)
    work = f"rebuild of {streams * events_each:,} events"
    few = msgspec.structs.replace(bench, rounds=min(bench.rounds, ROUNDS))
    with bench.new_file() as path:
        bench.say(f"{work}: filling the log")
        async with bank(path, Accounts) as app:
            count = await fill_interleaved(app, streams=streams, events_each=events_each)
            await caught_up(app, GetAccount(account_id=account_ids(1)[0]), count)
        peaks: list[float] = []
        rebuilds = await in_turns(work, {"everfold": partial(_rebuild, path, peaks)}, few)
        yield compare(work, "events/s", rebuilds, targets={})
        targets = {"everfold": at_most(LIMIT_MB)}
        yield compare(f"{work}, peak of the process", "MB", {"everfold": peaks}, targets=targets)

        seconds, numbers = bench.count(SECONDS, quick=0), itertools.count()
        sides: dict[str, Sample] = {
            ELSEWHERE: partial(_write_beside_a_process, path, numbers, seconds),
            HERE: partial(_write, path, numbers, seconds, REBUILD),
            ALONE: partial(_write, path, numbers, seconds, "go"),
        }
        written = await in_turns("commands during a rebuild", sides, bench)
        for side in (ELSEWHERE, HERE):
            samples = {side: written[side], ALONE: written[ALONE]}
            yield compare(f"commands {side}", "commands/s", samples, targets={ALONE: at_least(0.8)})


async def _rebuild(path: Path, peaks: list[float]) -> list[float]:
    async with child("rebuild_side", "rebuild", str(path)) as rebuilding:
        rebuilding.tell("go")
        rebuilt = msgspec.json.decode(await rebuilding.line(), type=Rebuilt)
    peaks.append(rebuilt.peak_mb)
    return [rebuilt.rate]


async def _write_beside_a_process(path: Path, numbers: Iterator[int], seconds: float) -> list[float]:
    async with child("rebuild_side", "again", str(path)) as rebuilding:
        rebuilding.tell("go")
        return await _write(path, numbers, seconds, "go")


async def _write(path: Path, numbers: Iterator[int], seconds: float, what: str) -> list[float]:
    """Commands per second, by a process with accounts of its own."""
    async with child("rebuild_side", "write", str(path), f"writer{next(numbers)}a", str(seconds)) as writer:
        writer.tell(what)
        return [msgspec.json.decode(await writer.line(), type=Written).rate]
