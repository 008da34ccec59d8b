"""Work: how long one command takes when it is alone, in milliseconds.

everfold: a deposit through ``App.execute``. Raw: one row in a durable transaction, without touching anything else;
directly in the calling thread, and through a group commit's writer thread and back. Peer: get, deposit and save.
"""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from functools import partial
from itertools import cycle
from pathlib import Path

from benchmarks.everfold_side import bank, open_accounts
from benchmarks.group_commit import GroupCommit, Log
from benchmarks.payload import AMOUNT, DEPOSITED_JSON, DEPOSITED_TYPE, account_ids, stream_of
from benchmarks.peer_side import PeerBank, new_accounts, peer_bank
from benchmarks.raw_side import STATEMENTS, RawLog, create, row
from benchmarks.report import Table, at_most, compare, percentile_99
from benchmarks.turns import Bench, Sample, in_turns
from examples.accounts.domain import Deposit

__all__ = ["ACCOUNTS", "deposits_in_turn", "measure", "peer_in_turn", "places", "through_a_thread", "timed"]

ACCOUNTS = 100
WARM_UP = 10


async def measure(bench: Bench) -> AsyncIterator[Table]:
    """Two tables of the same samples: median and 99th percentile."""
    count = bench.count(300, quick=5)
    sides: dict[str, Sample] = {
        "everfold": partial(_everfold, count, bench),
        "raw one-row commit": partial(_raw, count, bench),
        "raw one-row commit, through a thread": partial(_threaded, count, bench),
        "peer": partial(_peer, count, bench),
    }
    samples = await in_turns("latency", sides, bench)
    targets = {"raw one-row commit": at_most(3)}
    yield compare("one command, median", "ms", samples, targets=targets)
    yield compare("one command, 99th percentile", "ms", samples, targets={}, figure=percentile_99)


async def timed(step: Callable[[], Awaitable[object]], count: int) -> list[float]:
    """Milliseconds of each of so many steps, after a few that are not timed."""
    times: list[float] = []
    for number in range(WARM_UP + count):
        started = time.perf_counter()
        await step()
        if number >= WARM_UP:
            times.append((time.perf_counter() - started) * 1_000)
    return times


async def _everfold(count: int, bench: Bench) -> list[float]:
    with bench.new_file() as path:
        return await deposits_in_turn(path, count)


async def deposits_in_turn(store: Path | str, count: int) -> list[float]:
    """Milliseconds of deposits, one after the other."""
    keys = account_ids(ACCOUNTS)
    commands = cycle([Deposit(account_id=key, amount=AMOUNT) for key in keys])
    async with bank(store) as app:
        await open_accounts(app, keys)
        return await timed(lambda: app.execute(next(commands)), count)


async def _raw(count: int, bench: Bench) -> list[float]:
    with bench.new_file() as path:
        connection = create(path)
        rows = places()

        async def step() -> None:
            position, stream, version = next(rows)
            values = row(position, stream, version, type=DEPOSITED_TYPE, data=DEPOSITED_JSON)
            connection.execute("BEGIN IMMEDIATE")
            connection.execute(STATEMENTS["insert_event"], values)
            connection.execute("COMMIT")

        times = await timed(step, count)
        connection.close()
    return times


async def _threaded(count: int, bench: Bench) -> list[float]:
    with bench.new_file() as path:
        return await through_a_thread(RawLog(path), count)


async def through_a_thread(raw: Log, count: int) -> list[float]:
    """Milliseconds of commits of one row each by a thread, which keeps versions. Closes the log."""
    log = GroupCommit(raw, keeps_versions=True)
    rows = places()

    async def step() -> None:
        _, stream, version = next(rows)
        await log.commit(stream, version - 1)

    times = await timed(step, count)
    log.close()
    return times


def places() -> Iterator[tuple[int, str, int]]:
    """Position, stream and version of one row after the other, going round the accounts."""
    streams = [stream_of(key) for key in account_ids(ACCOUNTS)]
    position = 0
    while True:
        yield position + 1, streams[position % ACCOUNTS], position // ACCOUNTS + 1
        position += 1


async def _peer(count: int, bench: Bench) -> list[float]:
    with bench.new_file() as path:
        return await peer_in_turn(peer_bank(path), count)


async def peer_in_turn(peer: PeerBank, count: int) -> list[float]:
    """The same of the peer, which is closed."""
    ids = cycle(new_accounts(peer, ACCOUNTS))

    async def step() -> None:
        peer.deposit(next(ids))

    times = await timed(step, count)
    peer.close()
    return times
