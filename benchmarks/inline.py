"""Work: durable commands per second with an inline projection, beside the same commands without a projection.

A row per account is changed in the transaction of each append, which the commands' callers wait for. For comparison
also the same projection following in the same process, which callers do not wait for.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from functools import partial

from benchmarks.commands import Plan, deposits
from benchmarks.read_models import Accounts, InlineAccounts
from benchmarks.report import Table, at_least, compare
from benchmarks.turns import Bench, Sample, in_turns

__all__ = ["measure"]

PLANS = (Plan(1, 100, 10), Plan(100, 500, 5), Plan(1_000, 1_000, 5))
QUICK_PLANS = (Plan(1, 4, 1), Plan(16, 16, 1))


async def measure(bench: Bench) -> AsyncIterator[Table]:
    """A table for each number of callers."""
    for plan in QUICK_PLANS if bench.is_quick else PLANS:
        sides: dict[str, Sample] = {
            "everfold, with an inline projection": partial(deposits, plan, bench, InlineAccounts),
            "everfold, without a projection": partial(deposits, plan, bench),
            "everfold, with one that follows": partial(deposits, plan, bench, Accounts),
        }
        work = f"commands and an inline projection, {plan.callers:,} caller{'s'[: plan.callers - 1]}"
        samples = await in_turns(work, sides, bench)
        targets = {"everfold, without a projection": at_least(0.6)}
        yield compare(work, "commands/s", samples, targets=targets)
