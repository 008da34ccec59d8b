"""Runs the works one after the other and prints their tables."""

from __future__ import annotations

import asyncio
import importlib
import sys
import tempfile
from collections.abc import AsyncIterator, Callable, Sequence
from pathlib import Path

import msgspec

from benchmarks import (
    append,
    catch_up,
    commands,
    inline,
    lag,
    latency,
    memory,
    queries,
    read,
    rebuild,
    replay,
    sse,
    start,
    web,
)
from benchmarks.machine import disk_folder, inspect_machine, render_machine
from benchmarks.options import Options, parse
from benchmarks.postgres import append as postgres_append
from benchmarks.postgres import catch_up as postgres_catch_up
from benchmarks.postgres import commands as postgres_commands
from benchmarks.postgres import lag as postgres_lag
from benchmarks.postgres import latency as postgres_latency
from benchmarks.postgres import read as postgres_read
from benchmarks.postgres import replay as postgres_replay
from benchmarks.report import Table, render
from benchmarks.turns import Bench

Measure = Callable[[Bench], AsyncIterator[Table]]
WORKS: dict[str, Measure] = {
    "commands": commands.measure,
    "latency": latency.measure,
    "append": append.measure,
    "replay": replay.measure,
    "read": read.measure,
    "memory": memory.measure,
    "catch_up": catch_up.measure,
    "inline": inline.measure,
    "rebuild": rebuild.measure,
    "queries": queries.measure,
    "lag": lag.measure,
    "web": web.measure,
    "sse": sse.measure,
    "start": start.measure,
    "postgres_commands": postgres_commands.measure,
    "postgres_latency": postgres_latency.measure,
    "postgres_append": postgres_append.measure,
    "postgres_replay": postgres_replay.measure,
    "postgres_read": postgres_read.measure,
    "postgres_catch_up": postgres_catch_up.measure,
    "postgres_lag": postgres_lag.measure,
}
LEGEND = "Medians. The ratio is everfold's figure divided by that side's; behind it the target and whether it is met."


def main(arguments: Sequence[str]) -> None:
    """The program."""
    options = parse(arguments, {name: _about(measure) for name, measure in WORKS.items()})
    factory = importlib.import_module("uvloop").new_event_loop if options.uses_uvloop else None
    with asyncio.Runner(loop_factory=factory) as runner:
        runner.run(_run(options))


async def _run(options: Options) -> None:
    parent = options.folder or disk_folder()
    machine = inspect_machine(parent, event_loop="uvloop" if options.uses_uvloop else "asyncio")
    if not options.is_json:
        print(f"{render_machine(machine)}\n\n{LEGEND}")
    tables: list[Table] = []
    with tempfile.TemporaryDirectory(prefix="everfold-benchmarks-", dir=parent) as folder:
        bench = Bench(Path(folder), options.rounds, options.is_quick, _say)
        for name in options.only:
            async for table in WORKS[name](bench):
                tables.append(table)
                _say("")
                if not options.is_json:
                    print(f"\n{render(table)}", flush=True)
    if options.is_json:
        print(msgspec.json.format(msgspec.json.encode({"machine": machine, "tables": tables})).decode())


def _about(measure: Measure) -> str:
    """What it measures: the first line of its file."""
    head = (sys.modules[measure.__module__].__doc__ or "").partition("\n")[0]
    return head.removeprefix("Work: ").rstrip(".")


def _say(text: str) -> None:
    """Show what is under way, on a terminal only."""
    if sys.stderr.isatty():
        print(f"\r\x1b[K{text}", end="", file=sys.stderr, flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
