"""Reopening and sharing: what durable engines promise to the next engine on the same storage, and to one beside."""

# ruff: noqa: D102, S101

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path

from everfold.log.checkpoint import Checkpoint
from everfold.log.condition import Condition
from everfold.log.engine import Engine
from everfold.log.idempotency import Repeatable
from everfold.log.selection import EVERYTHING, Selection
from everfold.log.snapshot import Snapshot
from everfold.log.write import Appended, Conflicted, Repeated, StreamAppend, Write
from everfold.testing.contracts.engine_case import EngineCase, fresh, one, stored, to_stream, whole_log

__all__ = ["Reopening", "SharedStorage"]


class _Another(EngineCase):
    @asynccontextmanager
    async def another(self, folder: Path) -> AsyncGenerator[Engine]:
        """Another open engine on the same storage."""
        engine = await self.make_engine(folder)
        await engine.open()
        try:
            yield engine
        finally:
            await engine.close()


class Reopening(_Another):
    """Promises 1 and 3: what was acknowledged is there again, and positions go on where they were (A1)."""

    async def test_everything_is_there_again_when_reopened(self, engine: Engine, tmp_path: Path) -> None:
        await stored(
            engine,
            Write(
                appends=(StreamAppend("thing-a", fresh(amount=3, tags=("t",))),),
                repeatable=Repeatable("k", "print", "1"),
                checkpoints=(Checkpoint("consumer", 2),),
                snapshots=(Snapshot("thing-a", 3, "print", "{}"),),
            ),
        )
        before = await self._content(engine)
        await engine.close()
        async with self.another(tmp_path) as reopened:
            assert await self._content(reopened) == before
        await engine.open()
        assert await self._content(engine) == before

    @staticmethod
    async def _content(engine: Engine) -> tuple[object, ...]:
        return (
            list(await whole_log(engine)),
            list(await engine.read(Selection(tags=("t",)), limit=10)),
            await engine.reply("k"),
            await engine.checkpoint("consumer"),
            await engine.snapshot("thing-a"),
            list(await engine.streams(limit=10)),
            await engine.wait(-1),
        )

    async def test_positions_and_versions_go_on_where_they_were(self, engine: Engine, tmp_path: Path) -> None:
        await stored(engine, to_stream("thing-a", *fresh(amount=3)))
        await engine.close()
        async with self.another(tmp_path) as reopened:
            assert isinstance(await one(reopened, to_stream("thing-a", expected=0)), Conflicted)
            (done,) = await stored(reopened, to_stream("thing-a", expected=3))
            assert (done.first, done.versions) == (4, (4,))

    async def test_times_do_not_go_back_when_reopened(self, engine: Engine, tmp_path: Path) -> None:
        (before,) = await stored(engine, to_stream("thing-a"))
        await engine.close()
        async with self.another(tmp_path) as reopened:
            (after,) = await stored(reopened, to_stream("thing-a"))
            assert after.recorded >= before.recorded


class SharedStorage(_Another):
    """Promises 3 and 4 across engines, as between processes (A6, A7, A9, A14)."""

    async def test_another_engine_sees_every_acknowledged_record(self, engine: Engine, tmp_path: Path) -> None:
        async with self.another(tmp_path) as other:
            for number in range(5):
                await stored(engine, to_stream("thing-a"))
                assert len(await whole_log(other)) == number + 1
                assert await other.wait(-1) == number + 1

    async def test_a_commit_of_another_engine_wakes_those_who_wait(self, engine: Engine, tmp_path: Path) -> None:
        async with self.another(tmp_path) as other:
            for number in range(5):
                waiting = asyncio.create_task(other.wait(number))
                await asyncio.sleep(0)
                await stored(engine, to_stream("thing-a"))
                async with asyncio.timeout(30):
                    assert await waiting == number + 1

    async def test_what_one_engine_knows_of_versions_yields_to_what_another_wrote(
        self, engine: Engine, tmp_path: Path
    ) -> None:
        async with self.another(tmp_path) as other:
            for number in range(6):
                writer, late = (engine, other) if number % 2 else (other, engine)
                await stored(writer, to_stream("thing-a", expected=number))
                assert isinstance(await one(late, to_stream("thing-a", expected=number)), Conflicted)

    async def test_what_one_engine_knows_of_tags_yields_to_what_another_wrote(
        self, engine: Engine, tmp_path: Path
    ) -> None:
        async with self.another(tmp_path) as other:
            await stored(engine, to_stream("thing-a", *fresh(tags=("t",))))
            await stored(other, to_stream("thing-b", *fresh(tags=("t",))))
            for selection in (Selection(tags=("t",)), Selection(types=("moved",)), Selection(category="thing")):
                late = Write(appends=(StreamAppend("x-1", fresh("x")),), condition=Condition(selection, 1))
                assert isinstance(await one(engine, late), Conflicted)

    async def test_of_two_engines_that_append_the_same_version_one_wins(self, engine: Engine, tmp_path: Path) -> None:
        async with self.another(tmp_path) as other:
            for version in range(10):
                attempts = [one(each, to_stream("thing-a", expected=version)) for each in (engine, other)]
                outcomes = await asyncio.gather(*attempts)
                assert [type(outcome) for outcome in outcomes].count(Appended) == 1
            log = list(await other.read(EVERYTHING, limit=100))
            assert [(record.position, record.version) for record in log] == [(n, n) for n in range(1, 11)]

    async def test_a_key_used_by_one_engine_is_known_to_another(self, engine: Engine, tmp_path: Path) -> None:
        write = [
            Write(appends=(StreamAppend("thing-a", fresh()),), repeatable=Repeatable("k", "p", str(n)))
            for n in range(2)
        ]
        async with self.another(tmp_path) as other:
            await stored(engine, write[0])
            assert isinstance(await one(other, write[1]), Repeated)
            assert len(await whole_log(other)) == 1
