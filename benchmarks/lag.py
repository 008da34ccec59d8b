"""Work: how long it takes from the commit of a command until a query sees it, when nothing else goes on.

Measured from the return of ``execute`` to that of a query that wants to know the command's position, in milliseconds;
with a pause between commands, so that everything sleeps. The projection runs in the same process, or in another one
while this one asks.
"""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import AsyncIterator
from functools import partial
from itertools import cycle

from benchmarks.child import child, heard, say
from benchmarks.everfold_side import bank, open_accounts
from benchmarks.payload import AMOUNT, account_ids
from benchmarks.read_models import Accounts, GetAccount
from benchmarks.report import Table, at_most, compare, percentile_99
from benchmarks.turns import Bench, Sample, in_turns
from everfold import App
from examples.accounts.domain import Deposit

__all__ = ["ACCOUNTS", "PAUSE", "WARM_UP", "lags_to_another_process", "measure"]

ACCOUNTS = 100
WARM_UP = 5
PAUSE = 0.02
TARGET = 20


async def measure(bench: Bench) -> AsyncIterator[Table]:
    """Median and 99th percentile for both."""
    count = bench.count(100, quick=3)
    sides: dict[str, Sample] = {
        "projected in the same process": partial(_same_process, bench, count),
        "projected in another process": partial(_other_process, bench, count),
    }
    samples = await in_turns("lag", sides, bench)
    for side, values in samples.items():
        yield compare(f"lag, {side}, median", "ms", {"everfold": values}, targets={"everfold": at_most(TARGET)})
        yield compare(f"lag, {side}, 99th percentile", "ms", {"everfold": values}, targets={}, figure=percentile_99)


async def _same_process(bench: Bench, count: int) -> list[float]:
    with bench.new_file() as path:
        async with bank(path, Accounts) as app:
            return await lags(app, count)


async def _other_process(bench: Bench, count: int) -> list[float]:
    with bench.new_file() as path:
        return await lags_to_another_process(str(path), count)


async def lags_to_another_process(store: str, count: int, *, rate: int = 0) -> list[float]:
    """Milliseconds until what this process commits is seen in what another one projects.

    ``rate``: commands per second that go on all the while.
    """
    async with bank(store, Accounts, role="server") as app, child("lag", store):
        busy = asyncio.create_task(_keep_busy(app, rate)) if rate else None
        try:
            return await lags(app, count)
        finally:
            if busy:
                busy.cancel()
                await asyncio.wait([busy])


async def _keep_busy(app: App, rate: int) -> None:
    keys = [f"busy{number}" for number in range(ACCOUNTS)]
    await open_accounts(app, keys)
    for key in cycle(keys):
        await asyncio.gather(asyncio.sleep(1 / rate), app.execute(Deposit(account_id=key, amount=AMOUNT)))


async def lags(app: App, count: int) -> list[float]:
    """Milliseconds until a query sees what was committed."""
    keys = account_ids(ACCOUNTS)
    await open_accounts(app, keys)
    lags: list[float] = []
    for number, key in zip(range(WARM_UP + count), cycle(keys), strict=False):
        await asyncio.sleep(PAUSE)
        done = await app.execute(Deposit(account_id=key, amount=AMOUNT))
        started = time.perf_counter()
        await app.ask(GetAccount(account_id=key), after=done)
        if number >= WARM_UP:
            lags.append((time.perf_counter() - started) * 1_000)
    return lags


async def _project(store: str) -> None:
    """The other process: project until there is nobody to tell anything."""
    async with bank(store, Accounts, role="worker"):
        say("ready")
        await heard()


if __name__ == "__main__":
    asyncio.run(_project(sys.argv[1]))
