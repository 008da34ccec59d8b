"""Work: how much memory a process needs while it reads 1,000,000 typed events.

The log is filled here; ``memory_reader`` reads it in a process of its own and reports its peak: after the first tenth,
when every cache is warm, and at the end. The difference is the growth, which should be nothing but noise.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import msgspec

from benchmarks.everfold_side import bank, fill
from benchmarks.memory_reader import Peaks
from benchmarks.report import Table, at_most, compare
from benchmarks.turns import Bench

__all__ = ["measure"]

ROOT = Path(__file__).parents[1]
FLAT_MB = 5
WHOLE_MB = 100


async def measure(bench: Bench) -> AsyncIterator[Table]:
    """One table. One round is enough: a peak is not noisy."""
    streams = bench.count(1_000, quick=2)
    events_each = bench.count(1_000, quick=50)
    work = f"memory while reading {streams * events_each:,} events"
    with bench.new_file() as path:
        bench.say(f"{work}: filling the log")
        async with bank(path) as app:
            await fill(app, streams=streams, events_each=events_each)
        bench.say(f"{work}: reading")
        peaks = await _read(path)
    assert peaks.events == streams * events_each
    yield compare(
        work,
        "MB, growth of the peak after a tenth",
        {"everfold": [peaks.growth_mb]},
        targets={"everfold": at_most(FLAT_MB)},
    )
    yield compare(
        work, "MB, peak of the process", {"everfold": [peaks.last_mb]}, targets={"everfold": at_most(WHOLE_MB)}
    )


async def _read(path: Path) -> Peaks:
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "benchmarks.memory_reader", str(path), cwd=ROOT, stdout=asyncio.subprocess.PIPE
    )
    output, _ = await process.communicate()
    if process.returncode:
        raise SystemExit(f"benchmarks.memory_reader ended with code {process.returncode}.")
    return msgspec.json.decode(output, type=Peaks)
