"""Several processes that do the same at the same time, each on streams of its own; timed from the first to the last."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack

from benchmarks.child import child
from benchmarks.commands import Plan
from benchmarks.postgres.database import Database
from benchmarks.turns import Stopwatch

__all__ = ["PROCESSES", "together"]

PROCESSES = 4


async def together(
    database: Database, side: str, plan: Plan, *, processes: int, schema: str, size: int = 1
) -> list[float]:
    """Commands (or events) per second of all: the callers and accounts of the plan are shared out among processes.

    ``side``: what they are, of those that ``caller`` knows. ``size``: events of an append.
    """
    loop = type(asyncio.get_running_loop()).__module__.partition(".")[0]
    facts = [side, database.address, schema, loop, *map(str, (plan.callers, plan.accounts, plan.times, size))]
    async with AsyncExitStack() as stack:
        callers = [child("postgres.caller", *facts, str(number), str(processes)) for number in range(processes)]
        started = [await stack.enter_async_context(caller) for caller in callers]  # the first makes the tables
        with Stopwatch() as watch:
            for each in started:
                each.tell("go")
            for each in started:
                await each.line()
    return watch.rate(plan.commands * size)
