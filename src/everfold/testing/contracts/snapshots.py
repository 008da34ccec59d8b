"""Snapshots: the newest one of each stream is kept, with the head and the time of its write."""

# ruff: noqa: D102, S101

from __future__ import annotations

from everfold.log.engine import Engine
from everfold.log.snapshot import Snapshot
from everfold.log.write import Conflicted, StreamAppend, Write
from everfold.testing.contracts.engine_case import EngineCase, fresh, one, stored, to_stream

__all__ = ["KeptSnapshots"]


class KeptSnapshots(EngineCase):
    """Promise 2: a snapshot is stored with its append, or not at all (A19)."""

    async def test_a_stream_without_snapshot_has_none(self, engine: Engine) -> None:
        await stored(engine, to_stream("thing-a"))
        assert await engine.snapshot("thing-a") is None

    async def test_a_snapshot_comes_back_with_head_and_time(self, engine: Engine) -> None:
        await stored(engine, to_stream("thing-b"))
        given = Snapshot("thing-a", 2, "fingerprint", '{"balance": 3}')
        (done,) = await stored(engine, Write(appends=(StreamAppend("thing-a", fresh(amount=2)),), snapshots=(given,)))
        assert await engine.snapshot("thing-a") == Snapshot(
            "thing-a", 2, "fingerprint", '{"balance": 3}', position=3, taken=done.recorded
        )

    async def test_the_newest_snapshot_replaces_the_older_one(self, engine: Engine) -> None:
        for version in (1, 2, 3):
            snapshot = Snapshot("thing-a", version, f"print-{version}", f"{version}")
            await stored(engine, Write(appends=(StreamAppend("thing-a", fresh()),), snapshots=(snapshot,)))
        kept = await engine.snapshot("thing-a")
        assert kept
        assert (kept.version, kept.fingerprint, kept.state) == (3, "print-3", "3")

    async def test_one_write_may_carry_snapshots_of_several_streams(self, engine: Engine) -> None:
        snapshots = tuple(Snapshot(f"thing-{name}", 1, "p", name) for name in "abc")
        await stored(engine, Write(snapshots=snapshots))
        for name in "abc":
            kept = await engine.snapshot(f"thing-{name}")
            assert kept and kept.state == name

    async def test_a_refused_write_keeps_the_old_snapshot(self, engine: Engine) -> None:
        old, new = Snapshot("thing-a", 1, "p", "old"), Snapshot("thing-a", 2, "p", "new")
        await stored(engine, Write(appends=(StreamAppend("thing-a", fresh()),), snapshots=(old,)))
        stale = Write(appends=(StreamAppend("thing-a", fresh(), 0),), snapshots=(new,))
        assert isinstance(await one(engine, stale), Conflicted)
        kept = await engine.snapshot("thing-a")
        assert kept and kept.state == "old"
