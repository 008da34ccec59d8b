"""The processes of ``rebuild``. Each says when it is ready, and begins when it is told anything.

``rebuild_side rebuild PATH`` builds a projection anew, and prints a ``Rebuilt``. ``rebuild_side again PATH`` does so
again and again until nobody listens. ``rebuild_side write PATH PREFIX SECONDS`` executes commands for so long, beside
rebuilds in its own process if it was told ``REBUILD``, and prints a ``Written``.
"""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, nullcontext
from pathlib import Path

import msgspec

from benchmarks.child import heard, say
from benchmarks.everfold_side import bank, open_accounts
from benchmarks.memory_reader import peak_mb
from benchmarks.payload import AMOUNT
from benchmarks.read_models import Accounts
from everfold import App
from examples.accounts.domain import Deposit

__all__ = ["REBUILD", "Rebuilt", "Written"]

CALLERS = 100
REBUILD = "rebuild as well"
NAME = Accounts.__everfold__.name


class Rebuilt(msgspec.Struct, frozen=True):
    """A rebuild that has ended."""

    rate: float
    """Events per second."""
    peak_mb: float
    """Of the process."""


class Written(msgspec.Struct, frozen=True):
    """What a writer has done."""

    rate: float
    """Commands per second."""


async def rebuild(path: Path) -> Rebuilt:
    """Rebuild in a process that does nothing else."""
    async with bank(path, Accounts, role="server") as app:
        say("ready")
        await heard()
        started = time.perf_counter()
        await app.projections.rebuild(NAME)
        seconds = time.perf_counter() - started
        return Rebuilt(await app.store.head() / seconds, peak_mb())


@asynccontextmanager
async def _rebuilding(app: App) -> AsyncGenerator[None]:
    """Rebuild again and again meanwhile; the last one is broken off."""

    async def again() -> None:
        while True:
            await app.projections.rebuild(NAME)

    task = asyncio.create_task(again())
    yield
    assert not task.done(), task
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def rebuild_again(path: Path) -> None:
    """Rebuild until there is nobody to tell anything."""
    async with bank(path, Accounts, role="server") as app:
        say("ready")
        await heard()
        async with _rebuilding(app):
            await heard()


async def write(path: Path, prefix: str, seconds: float) -> Written:
    """Execute commands."""
    keys = [f"{prefix}{number}" for number in range(CALLERS)]
    async with bank(path, Accounts) as app:
        await open_accounts(app, keys)
        say("ready")
        beside = _rebuilding(app) if await heard() == REBUILD else nullcontext()
        async with beside:
            started = time.perf_counter()
            counts = await asyncio.gather(*(_deposits(app, key, started + seconds) for key in keys))
            return Written(sum(counts) / (time.perf_counter() - started))


async def _deposits(app: App, key: str, end: float) -> int:
    count = 0
    while not count or time.perf_counter() < end:
        await app.execute(Deposit(account_id=key, amount=AMOUNT))
        count += 1
    return count


async def _main(what: str, path: Path, *rest: str) -> None:
    if what == "again":
        await rebuild_again(path)
        return
    ended = await rebuild(path) if what == "rebuild" else await write(path, rest[0], float(rest[1]))
    say(msgspec.json.encode(ended).decode())


if __name__ == "__main__":
    asyncio.run(_main(sys.argv[1], Path(sys.argv[2]), *sys.argv[3:]))
