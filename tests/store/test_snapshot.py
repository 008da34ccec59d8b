"""Snapshots: when they are taken, when they are used, and that they never change a result."""

from __future__ import annotations

import asyncio
import logging
from datetime import timedelta
from itertools import count
from pathlib import Path
from typing import Any

import msgspec
import pytest

from everfold import Aggregate, App, Command, Event, Events, SnapshotPolicy, decide, evolve
from everfold.clock import SystemClock
from everfold.log.snapshot import Snapshot
from everfold.store.boundary import AggregateBoundary
from everfold.store.snapshot import Snapshotter
from tests.app.stores import StoreMaker, Watched


class Counted(Event):
    by: int
    words: list[str] = msgspec.field(default_factory=list[str])


class Count(Command[int]):
    counter: str
    by: int = 1
    times: int = 1


def counter(policy: SnapshotPolicy | None, *, factor: int = 1, extra: bool = False, loose: bool = False) -> type[Any]:
    """A counter; each variation is another version of its code or its shape."""

    class Counter(Aggregate, key="counter", category="counter", snapshots=policy):
        total: int = 0
        words: set[str] = msgspec.field(default_factory=set[str])

        @decide
        def count(self, command: Count) -> Events[int]:
            for number in range(command.times):
                yield Counted(by=command.by, words=[f"w{self.total % 5}"] if number % 2 else [])
            return self.total

        @evolve
        def counted(self, event: Counted) -> None:
            self.total += event.by
            self.words |= set(event.words)

    class Doubling(Counter, category="counter"):
        @evolve
        def counted(self, event: Counted) -> None:
            self.total += event.by * 2

    class Extended(Counter, category="counter"):
        events: int = 0

        @evolve
        def counted(self, event: Counted) -> None:
            self.total += event.by
            self.events += 1

    class Loose(Counter, category="counter"):
        last: Any = None

        @evolve
        def counted(self, event: Counted) -> None:
            self.total += event.by
            self.last = (event.by,)

    return Doubling if factor == 2 else Extended if extra else Loose if loose else Counter


EVERY_3 = SnapshotPolicy(every=3)


async def kept(app: App, key: str = "c1") -> Snapshot | None:
    return await app.store.engine.snapshot(f"counter-{key}")


async def test_a_snapshot_is_taken_every_so_many_events(store: StoreMaker) -> None:
    async with App("counters", counter(EVERY_3), store=store()) as app:
        versions: list[int | None] = []
        for _ in range(8):
            await app.execute(Count(counter="c1"))
            snapshot = await kept(app)
            versions.append(snapshot.version if snapshot else None)
        assert versions == [None, None, 3, 3, 3, 6, 6, 6]
        await app.execute(Count(counter="c1", times=10))
        snapshot = await kept(app)
        assert snapshot
        assert (snapshot.version, snapshot.position, snapshot.state[:11]) == (18, 18, '{"total":18')


class Hours(SystemClock):
    """Goes on by an hour when it is told to."""

    def __init__(self) -> None:
        self.hours = 0

    def micros(self) -> int:
        return 1_700_000_000_000_000 + self.hours * 3_600_000_000


async def test_a_snapshot_is_taken_when_the_last_one_is_old(tmp_path: Path) -> None:
    for store in ("memory:", str(tmp_path / "counters.db")):
        clock = Hours()
        kind = counter(SnapshotPolicy(older_than=timedelta(hours=2)))
        async with App("counters", kind, store=store, clock=clock) as app:
            versions: list[int] = []
            for _ in range(6):
                await app.execute(Count(counter="c1"))
                clock.hours += 1
                snapshot = await kept(app)
                assert snapshot
                versions.append(snapshot.version)
            assert versions == [1, 1, 3, 3, 5, 5]


async def test_the_state_from_a_snapshot_equals_the_full_fold_at_every_version(store: StoreMaker) -> None:
    snapped, plain = counter(EVERY_3), counter(None)
    for version in count(1):
        async with App("counters", snapped, store=store()) as app:
            reply = (await app.execute(Count(counter="c1", by=version))).reply
            loaded = await app.load(snapped, "c1")
        async with App("counters", plain, store=store()) as app:
            folded = await app.load(plain, "c1")
        assert reply == folded.total
        assert msgspec.to_builtins(loaded, order="deterministic") == msgspec.to_builtins(folded, order="deterministic")
        if version == 20:
            break


async def test_a_load_reads_only_what_came_after_the_snapshot(watched: Watched) -> None:
    for shares in (True, False):
        async with App("counters", counter(SnapshotPolicy(every=500)), store=watched) as app:
            await app.execute(Count(counter="c1", times=2_600))
        async with App("counters", counter(SnapshotPolicy(every=500)), store=watched) as app:
            watched.stream_reads = 0
            if shares:
                await app.execute(Count(counter="c1"))
                assert watched.stream_reads == 1
            else:
                await app.load(app.aggregates()["counter"], "c1")
                assert watched.stream_reads == 2


@pytest.mark.parametrize("change", [{"factor": 2}, {"extra": True}])
async def test_a_snapshot_of_other_code_or_another_shape_is_ignored(store: StoreMaker, change: dict[str, Any]) -> None:
    async with App("counters", counter(EVERY_3), store=store()) as app:
        await app.execute(Count(counter="c1", times=5))
        old = await kept(app)
    newer = counter(EVERY_3, **change)
    async with App("counters", newer, store=store()) as app:
        state = await app.load(newer, "c1")
        assert state.total == 5 * change.get("factor", 1)
        assert not change.get("extra") or state.events == 5
        await app.execute(Count(counter="c1"))
        new = await kept(app)
        assert old
        assert new
        assert old.fingerprint != new.fingerprint


async def test_the_same_code_has_the_same_fingerprint() -> None:
    assert Snapshotter(counter(EVERY_3)).fingerprint == Snapshotter(counter(None)).fingerprint


def test_code_inside_an_evolve_counts_for_the_fingerprint() -> None:
    def with_inner(factor: int) -> type[Any]:
        class Inner(Aggregate, key="counter"):
            total: int = 0

            if factor == 1:

                @evolve
                def counted(self, event: Counted) -> None:
                    self.total += sum(by * 1 for by in [event.by] if event.by in {1, 2})

            else:

                @evolve
                def counted(self, event: Counted) -> None:
                    self.total += sum(by * 2 for by in [event.by] if event.by in {1, 2})

        return Inner

    prints = {Snapshotter(with_inner(factor)).fingerprint for factor in (1, 2, 1)}
    assert len(prints) == 2


async def test_a_damaged_snapshot_is_ignored(store: StoreMaker) -> None:
    async with App("counters", counter(EVERY_3), store=store()) as app:
        await app.execute(Count(counter="c1", times=5))
        good = await kept(app)
        assert good
        for state in ("", "{", '{"total":"many"}', "[]"):
            bad = msgspec.structs.replace(good, state=state)
            assert Snapshotter(app.aggregates()["counter"]).restore(bad) is None
        assert Snapshotter(app.aggregates()["counter"]).restore(good) is not None


async def test_a_state_that_would_not_come_back_is_not_kept_and_said_once(
    store: StoreMaker, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING):
        async with App("counters", counter(EVERY_3, loose=True), store=store()) as app:
            for _ in range(3):
                await app.execute(Count(counter="c1", times=4))
            assert await kept(app) is None
            assert (await app.execute(Count(counter="c1"))).reply == 13
    assert [record.name for record in caplog.records] == ["everfold.snapshots"]


def test_a_state_that_cannot_be_encoded_is_not_kept() -> None:
    kind = counter(EVERY_3, loose=True)
    snapshotter: Snapshotter[Any] = Snapshotter(kind)
    assert snapshotter.take("counter-c1", 1, kind(last=object())) is None


def test_without_a_policy_nothing_is_due() -> None:
    snapshotter: Snapshotter[Any] = Snapshotter(counter(None))
    assert not snapshotter.is_due(version=10**6, last_version=0, now=10**18, last_taken=0)


async def test_a_decision_on_an_old_version_uses_no_newer_snapshot(store: StoreMaker) -> None:
    kind = counter(EVERY_3)
    async with App("counters", kind, store=store()) as app:
        await app.execute(Count(counter="c1", times=2))
        boundary = AggregateBoundary(kind, "c1", app._started.tools, shares=False)  # pyright: ignore[reportPrivateUsage]
        await boundary.enter_for({})
        await app.execute(Count(counter="c1", times=2))
        await boundary._undo(0)  # pyright: ignore[reportPrivateUsage] (as after a refusal that a handler catches)
        assert (boundary.version, boundary.state.total) == (2, 2)
        boundary.leave()


async def test_concurrent_commands_on_a_snapshotted_aggregate_keep_its_snapshots_true(store: StoreMaker) -> None:
    kind = counter(EVERY_3)
    async with App("counters", kind, store=store()) as one, App("counters", kind, store=store()) as two:
        await asyncio.gather(*(app.execute(Count(counter="c1")) for app in [one, two] * 15))
        snapshot = await kept(one)
        assert snapshot
        assert f'"total":{snapshot.version}' in snapshot.state
        assert (await one.load(kind, "c1")).total == 30
