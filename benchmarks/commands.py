"""Work: durable commands per second, with 1 to 1,000 concurrent callers on distinct accounts.

everfold: deposits through ``App.execute``, the whole pipeline. Raw: the rows of these deposits through a bare group
commit, which reads or keeps the version of each stream. Peer: get, deposit and save, by one caller and by as many
threads as there are callers. Every measurement has a new file with accounts that are open already, and
all sides execute the same commands; loading these short streams costs the peer little.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from uuid import UUID

import msgspec

from benchmarks.everfold_side import bank, open_accounts
from benchmarks.group_commit import GroupCommit, Log
from benchmarks.payload import AMOUNT, account_ids, stream_of
from benchmarks.peer_side import PeerBank, new_accounts, peer_bank
from benchmarks.raw_side import RawLog
from benchmarks.report import Table, at_least, compare
from benchmarks.turns import Bench, Sample, Stopwatch, in_turns
from everfold import App, Projection
from examples.accounts.domain import Deposit

__all__ = ["PLANS", "QUICK_PLANS", "Plan", "ask_all", "bare_commits", "deposits", "measure", "peer_deposits", "title"]


class Plan(msgspec.Struct, frozen=True):
    """Callers, the accounts they share out among themselves, and how often each account is asked."""

    callers: int
    accounts: int
    times: int

    @property
    def commands(self) -> int:
        """All of them."""
        return self.accounts * self.times


PLANS = (Plan(1, 100, 10), Plan(16, 160, 10), Plan(100, 500, 5), Plan(1_000, 1_000, 5))
QUICK_PLANS = (Plan(1, 4, 1), Plan(16, 16, 1))
TARGETS = {
    "raw group commit, versions read": at_least(0.5),
    "peer, one caller": at_least(20),
    "peer, threads": at_least(20),
}


async def measure(bench: Bench) -> AsyncIterator[Table]:
    """A table for each number of callers."""
    for plan in QUICK_PLANS if bench.is_quick else PLANS:
        sides: dict[str, Sample] = {
            "everfold": partial(deposits, plan, bench),
            "raw group commit, versions read": partial(_raw, plan, bench, False),
            "raw group commit, versions kept": partial(_raw, plan, bench, True),
            "peer, one caller": partial(_peer, plan, bench, 1),
        }
        if plan.callers > 1:
            sides["peer, threads"] = partial(_peer, plan, bench, plan.callers)
        work = title("commands", plan)
        samples = await in_turns(work, sides, bench)
        yield compare(work, "commands/s", samples, targets=TARGETS if plan.callers == 1_000 else {})


def title(work: str, plan: Plan) -> str:
    """The work, and how many callers there are."""
    return f"{work}, {plan.callers:,} caller{'s'[: plan.callers - 1]}"


async def deposits(plan: Plan, bench: Bench, *projections: type[Projection]) -> list[float]:
    """Commands per second of the plan's callers, in an application with these projections."""
    keys = account_ids(plan.accounts)
    with bench.new_file() as path:
        async with bank(path, *projections) as app:
            await open_accounts(app, keys)
            with Stopwatch() as watch:
                await ask_all(app, keys, callers=plan.callers, times=plan.times)
    return watch.rate(plan.commands)


async def ask_all(app: App, keys: Sequence[str], *, callers: int, times: int) -> None:
    """So many callers share out the accounts, and deposit so often to each."""
    await asyncio.gather(*(_deposit(app, keys[caller::callers], times) for caller in range(callers)))


async def _deposit(app: App, keys: Sequence[str], times: int) -> None:
    for _ in range(times):
        for key in keys:
            await app.execute(Deposit(account_id=key, amount=AMOUNT))


async def _raw(plan: Plan, bench: Bench, keeps_versions: bool) -> list[float]:
    with bench.new_file() as path:
        return await bare_commits(RawLog(path), plan, keeps_versions=keeps_versions)


async def bare_commits(raw: Log, plan: Plan, *, keeps_versions: bool) -> list[float]:
    """Commits per second of the plan's callers through a bare group commit. Closes the log."""
    streams = [stream_of(key) for key in account_ids(plan.accounts)]
    log = GroupCommit(raw, keeps_versions=keeps_versions)
    await asyncio.gather(*(log.commit(stream, 0) for stream in streams))
    with Stopwatch() as watch:
        await asyncio.gather(
            *(_commit(log, streams[caller :: plan.callers], plan.times) for caller in range(plan.callers))
        )
    log.close()
    return watch.rate(plan.commands)


async def _commit(log: GroupCommit, streams: Sequence[str], times: int) -> None:
    for version in range(1, times + 1):
        for stream in streams:
            await log.commit(stream, version)


async def _peer(plan: Plan, bench: Bench, threads: int) -> list[float]:
    with bench.new_file() as path:
        peer = peer_bank(path)
        ids = new_accounts(peer, plan.accounts)
        with Stopwatch() as watch:
            peer_deposits(peer, ids, threads=threads, times=plan.times)
        peer.close()
    return watch.rate(plan.commands)


def peer_deposits(peer: PeerBank, ids: Sequence[UUID], *, threads: int, times: int) -> None:
    """So many threads share out the accounts, and deposit so often to each."""
    with ThreadPoolExecutor(threads) as pool:
        shares = [[*ids[caller::threads]] * times for caller in range(threads)]
        list(pool.map(partial(_deposit_each, peer), shares))


def _deposit_each(peer: PeerBank, ids: Sequence[UUID]) -> None:
    for id in ids:
        peer.deposit(id)
