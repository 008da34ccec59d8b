"""One of the processes of ``together``: makes itself ready, waits until it is told to go, and says when it is done."""

from __future__ import annotations

import asyncio
import importlib
import sys
from collections.abc import Callable, Coroutine, Sequence
from typing import Any

import msgspec

from benchmarks.child import heard, say
from benchmarks.commands import ask_all, peer_deposits
from benchmarks.everfold_side import bank, open_accounts, with_metadata
from benchmarks.payload import OPENED, account_ids, stream_of
from benchmarks.peer_side import new_accounts
from benchmarks.postgres.database import Database
from benchmarks.postgres.peer import peer_bank
from everfold import App


class Task(msgspec.Struct, frozen=True):
    """What this process does."""

    database: Database
    schema: str
    callers: int
    keys: Sequence[str]
    times: int
    size: int


async def _commands(task: Task) -> None:
    """Deposits through ``App.execute``."""
    async with bank(task.database.url(task.schema)) as app:
        await open_accounts(app, task.keys)
        say("ready")
        await heard()
        await ask_all(app, task.keys, callers=task.callers, times=task.times)
        say("done")


async def _appends(task: Task) -> None:
    """Events through ``EventStore.append``, each caller to streams of its own."""
    async with bank(task.database.url(task.schema)) as app:
        with with_metadata():
            await asyncio.gather(*(app.store.append(stream_of(key), OPENED, expected=0) for key in task.keys))
            say("ready")
            await heard()
            await asyncio.gather(
                *(_append(app, task, task.keys[caller :: task.callers]) for caller in range(task.callers))
            )
        say("done")


async def _append(app: App, task: Task, keys: Sequence[str]) -> None:
    events = [OPENED] * task.size
    for number in range(task.times):
        for key in keys:
            await app.store.append(stream_of(key), *events, expected=1 + number * task.size)


async def _peer(task: Task) -> None:
    """The peer's deposits, by as many threads as there are callers."""
    peer = peer_bank(task.database, task.schema)
    ids = new_accounts(peer, len(task.keys))
    say("ready")
    await heard()
    await asyncio.to_thread(peer_deposits, peer, ids, threads=task.callers, times=task.times)
    say("done")
    peer.close()


SIDES: dict[str, Callable[[Task], Coroutine[Any, Any, None]]] = {
    "commands": _commands,
    "appends": _appends,
    "peer": _peer,
}


def main(arguments: Sequence[str]) -> None:
    """The process."""
    side, address, schema, loop, *numbers = arguments
    callers, accounts, times, size, own, processes = map(int, numbers)
    keys = account_ids(accounts)[own::processes]
    task = Task(Database(address), schema, max(callers // processes, 1), keys, times, size)
    factory = importlib.import_module(loop).new_event_loop
    with asyncio.Runner(loop_factory=factory) as runner:
        runner.run(SIDES[side](task))


if __name__ == "__main__":
    main(sys.argv[1:])
