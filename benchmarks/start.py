"""Work: how long a process takes that imports everfold, or shows the help of its command line, in milliseconds.

Each figure is a whole process from start to end, so it includes the bare interpreter, which is shown beside it. The
peer's import is its application with the SQLite module.
"""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import AsyncIterator
from functools import partial
from pathlib import Path

import msgspec

from benchmarks.report import Table, at_most, compare
from benchmarks.turns import Bench, Sample, in_turns

__all__ = ["measure"]

RUNS = 10
BARE = "bare python"
PEER = "peer's import"
IMPORT = "import everfold"
HELP = "everfold --help"
PEER_MODULES = "import eventsourcing.application, eventsourcing.sqlite"


async def measure(bench: Bench) -> AsyncIterator[Table]:
    """A table for the import, and one for the command line if it works here."""
    starts = {
        IMPORT: [sys.executable, "-c", "import everfold"],
        HELP: [str(Path(sys.executable).with_name("everfold")), "--help"],
        BARE: [sys.executable, "-c", "pass"],
        PEER: [sys.executable, "-c", PEER_MODULES],
    }
    often = msgspec.structs.replace(bench, rounds=bench.count(RUNS, quick=1))
    sides: dict[str, Sample] = {name: partial(_run, arguments) for name, arguments in starts.items()}
    samples = await in_turns("start", sides, often)

    imports = {name: samples[name] for name in (IMPORT, BARE, PEER)}
    yield compare("process that imports", "ms", imports, targets={IMPORT: at_most(100)})
    if samples[HELP]:
        helps = {name: samples[name] for name in (HELP, BARE)}
        yield compare("process that shows the help", "ms", helps, targets={HELP: at_most(200)})


async def _run(arguments: list[str]) -> list[float]:
    """The process's time; nothing when it cannot be started or fails (the command line is an extra)."""
    started = time.perf_counter()
    try:
        process = await asyncio.create_subprocess_exec(
            *arguments, stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.DEVNULL
        )
    except FileNotFoundError:
        return []
    code = await process.wait()
    return [] if code else [(time.perf_counter() - started) * 1_000]
