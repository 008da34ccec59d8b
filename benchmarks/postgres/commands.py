"""Work: durable commands per second on PostgreSQL, with 1 to 1,000 concurrent callers, in one process and in four.

everfold: deposits through ``App.execute``; four processes share the same callers and accounts out among themselves (one
each at least). Raw: the rows of these deposits through a bare group commit in this process, under the lock that keeps
positions in order, which reads or keeps the version of each stream. Peer: get, deposit and save by as many threads as
there are callers; with 1,000 of them it executes a twentieth of the commands.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from functools import partial

import msgspec

from benchmarks.commands import PLANS, QUICK_PLANS, Plan, bare_commits, title
from benchmarks.postgres.database import Database, database
from benchmarks.postgres.raw import RawStore
from benchmarks.postgres.together import PROCESSES, together
from benchmarks.report import Table, at_least, at_most, compare
from benchmarks.turns import Bench, Sample, in_turns

__all__ = ["measure"]

MANY = Plan(1_000, 1_000, 20)
TARGETS = {
    "everfold, four processes": at_most(1.0),
    "raw group commit, versions read": at_least(0.4),
    "peer, threads": at_least(20),
    "peer, four processes": at_least(20),
}


async def measure(bench: Bench) -> AsyncIterator[Table]:
    """A table for each number of callers."""
    with database() as place:
        for plan in QUICK_PLANS[-1:] if bench.is_quick else (*PLANS[:-1], MANY):
            few = msgspec.structs.replace(plan, times=1) if plan is MANY else plan
            shared = msgspec.structs.replace(plan, callers=max(plan.callers, PROCESSES))
            processes = bench.count(PROCESSES, quick=2)
            sides: dict[str, Sample] = {
                "everfold": partial(_in_processes, place, "commands", plan, 1),
                "everfold, four processes": partial(_in_processes, place, "commands", shared, processes),
                "raw group commit, versions read": partial(_raw, place, plan, False),
                "raw group commit, versions kept": partial(_raw, place, plan, True),
                "peer, threads": partial(_in_processes, place, "peer", few, 1),
                "peer, four processes": partial(_in_processes, place, "peer", few, processes),
            }
            work = title(f"commands on {place.title}", plan)
            samples = await in_turns(work, sides, bench)
            yield compare(work, "commands/s", samples, targets=TARGETS if plan is MANY else {})


async def _in_processes(place: Database, side: str, plan: Plan, processes: int) -> list[float]:
    with place.new_schema() as schema:
        return await together(place, side, plan, processes=processes, schema=schema)


async def _raw(place: Database, plan: Plan, keeps_versions: bool) -> list[float]:
    with place.new_schema() as schema:
        return await bare_commits(RawStore(place, schema), plan, keeps_versions=keeps_versions)
