"""The hook of appends: rows of inline read models are stored together with the records that they follow from."""

# ruff: noqa: D102, S101

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from everfold.errors import ProjectionFailed
from everfold.log.condition import Condition
from everfold.log.engine import Engine
from everfold.log.idempotency import Repeatable
from everfold.log.read_database import ReadRecords
from everfold.log.record import Record
from everfold.log.selection import EVERYTHING, Selection
from everfold.log.write import Appended, Conflicted, Failed, Repeated, StreamAppend, Write
from everfold.testing.contracts.engine_case import EngineCase, fresh, one, stored, to_stream, whole_log
from everfold.testing.contracts.read_databases import create_rows, names, put, putting

__all__ = ["AppendHooks", "SharedAppendHooks"]


class RowPerRecord:
    """A hook that keeps the positions and types of all records, writes them when flushed, and fails when told to."""

    def __init__(self) -> None:
        self.calls: list[str] = []
        self.applied: list[Record] = []
        self.seen: list[Record] = []
        """What it could read when the last batch began."""
        self.heads: list[int] = []
        self.changed: list[bool] = []
        self.errors: dict[str, BaseException] = {}
        """The error to raise by the name of the method."""
        self._pending: list[Record] = []

    def begin(self, connection: Any, *, head: int, is_changed: bool, read: ReadRecords) -> None:
        self.calls.append("begin")
        self.heads.append(head)
        self.changed.append(is_changed)
        self._connection = connection
        create_rows(connection)
        self._pending = []
        self.seen = list(read(EVERYTHING | Selection(types=("moved",)), after=0, limit=1000))
        assert [record.position for record in read(EVERYTHING, after=1, limit=1)] == [2][: max(head - 1, 0)]
        self._raise("begin")

    def apply(self, records: Sequence[Record]) -> None:
        self.calls.append("apply")
        self.applied.extend(records)
        self._pending.extend(records)
        for record in records:
            if record.type == "bad":
                raise blame(record)
        self._raise("apply")

    def flush(self) -> None:
        self.calls.append("flush")
        pending, self._pending = self._pending, []
        put(self._connection, *(f"{record.position:03} {record.type}" for record in pending))
        for record in pending:
            if record.type == "bad-row":
                raise blame(record)
        self._raise("flush")

    def end(self, *, is_committed: bool) -> None:
        self.calls.append("committed" if is_committed else "undone")
        if not is_committed:
            self._pending = []
        self._raise("end")

    def _raise(self, method: str) -> None:
        if error := self.errors.get(method):
            raise error


def blame(record: Record) -> ProjectionFailed:
    """The error for this record."""
    return ProjectionFailed("rows", "told to", position=record.position, stream=record.stream, event_type=record.type)


async def rows(engine: Engine) -> list[str]:
    """All rows of the hook."""
    return await engine.beside.read(names)


class AppendHooks(EngineCase):
    """Promise 2 with inline read models: record and row together, or neither (A2, A4)."""

    @pytest_asyncio.fixture(loop_scope="function")
    async def hook(self, engine: Engine) -> RowPerRecord:
        """The hook that the engine has."""
        hook = RowPerRecord()
        await engine.beside.write(create_rows)
        engine.hook(hook)
        return hook

    async def test_rows_are_stored_with_their_records(self, engine: Engine, hook: RowPerRecord) -> None:
        await stored(engine, to_stream("thing-a", *fresh("moved", amount=2)), to_stream("thing-b", *fresh("seen")))
        assert await rows(engine) == ["001 moved", "002 moved", "003 seen"]
        await stored(engine, to_stream("thing-a"))
        assert await rows(engine) == ["001 moved", "002 moved", "003 seen", "004 moved"]
        assert hook.calls[0] == "begin"
        assert hook.calls[-1] == "committed"

    async def test_the_hook_sees_records_as_they_are_stored(self, engine: Engine, hook: RowPerRecord) -> None:
        await stored(
            engine,
            to_stream("thing-a", *fresh(tags=("t", "u", "t"), data='{"a":1}', amount=300)),
            Write(appends=(StreamAppend("thing-b", fresh()), StreamAppend("thing-a", fresh()))),
        )
        await stored(engine, to_stream("thing-a"))
        assert hook.applied == await whole_log(engine)

    async def test_the_hook_is_told_the_head_and_reads_what_was_committed(
        self, engine: Engine, hook: RowPerRecord
    ) -> None:
        for number in range(4):
            await stored(engine, to_stream("thing-a"), to_stream("thing-b", *fresh("seen")))
            assert hook.heads[-1] == number * 2
            assert len(hook.seen) == number * 2
        assert hook.seen == (await whole_log(engine))[:6]

    async def test_a_failing_projection_fails_its_write_and_nothing_is_stored(
        self, engine: Engine, hook: RowPerRecord
    ) -> None:
        for type in ("bad", "bad-row"):
            outcome = await one(engine, to_stream("thing-a", *fresh(), *fresh(type)))
            assert isinstance(outcome, Failed)
            assert isinstance(outcome.error, ProjectionFailed)
            assert outcome.error.position == 2
        assert await whole_log(engine) == []
        assert await rows(engine) == []
        await stored(engine, to_stream("thing-a", expected=0))
        assert await rows(engine) == ["001 moved"]

    async def test_of_a_batch_only_the_write_fails_that_is_to_blame(self, engine: Engine, hook: RowPerRecord) -> None:
        used = fresh()
        await stored(engine, to_stream("thing-z", *used))
        key = Repeatable("k", "print", "1")
        outcomes = await engine.append(
            [
                to_stream("thing-a", expected=0),
                Write(appends=(StreamAppend("thing-a", fresh("bad"), 1),), repeatable=key),
                to_stream("thing-a", *fresh("seen"), expected=1),
                to_stream("thing-b", *used),
                to_stream("thing-a", *fresh(), *fresh("bad-row")),
                to_stream("thing-a", expected=9),
                Write(repeatable=key),
                to_stream("thing-a", expected=2),
            ]
        )
        kinds = [type(outcome) for outcome in outcomes]
        assert kinds == [Appended, Failed, Appended, Failed, Failed, Conflicted, Appended, Appended]
        assert [(record.position, record.version) for record in await engine.read_stream("thing-a", limit=9)] == [
            (2, 1),
            (3, 2),
            (4, 3),
        ]
        assert await rows(engine) == ["001 moved", "002 moved", "003 seen", "004 moved"]
        await stored(engine, to_stream("thing-a", expected=3))
        assert hook.seen == (await whole_log(engine))[:4]

    async def test_what_is_refused_never_reaches_the_hook(self, engine: Engine, hook: RowPerRecord) -> None:
        await stored(engine, Write(appends=(StreamAppend("thing-a", fresh()),), repeatable=Repeatable("k", "p", "1")))
        applied = list(hook.applied)
        outcomes = await engine.append(
            [
                to_stream("thing-a", expected=0),
                Write(appends=(StreamAppend("thing-b", fresh()),), condition=Condition(Selection(types=("moved",)), 0)),
                Write(appends=(StreamAppend("thing-a", fresh()),), repeatable=Repeatable("k", "p", "1")),
            ]
        )
        assert [type(outcome) for outcome in outcomes] == [Conflicted, Conflicted, Repeated]
        assert hook.applied == applied
        assert await rows(engine) == ["001 moved"]

    async def test_a_write_without_records_applies_nothing(self, engine: Engine, hook: RowPerRecord) -> None:
        await stored(engine, Write(repeatable=Repeatable("k", "p", "1")))
        assert "apply" not in hook.calls
        assert hook.calls[-1] == "committed"

    @pytest.mark.parametrize("method", ["begin", "apply", "flush"])
    @pytest.mark.parametrize("error", [ValueError("a bug"), KeyError("a bug")])
    async def test_another_error_of_the_hook_fails_the_batch(
        self, engine: Engine, hook: RowPerRecord, method: str, error: Exception
    ) -> None:
        await stored(engine, to_stream("thing-a"))
        hook.errors[method] = error
        for batch in ([to_stream("thing-a")], [to_stream("thing-a"), to_stream("thing-b", *fresh("bad"))]):
            with pytest.raises((type(error), ProjectionFailed)):
                await engine.append([*batch, to_stream("thing-c")])
            with pytest.raises(type(error)):
                await engine.append([to_stream("thing-c")])
        hook.errors.clear()
        assert len(await whole_log(engine)) == 1
        assert await rows(engine) == ["001 moved"]
        await stored(engine, to_stream("thing-a", expected=1))
        assert await rows(engine) == ["001 moved", "002 moved"]

    async def test_a_projection_that_fails_before_any_write_fails_the_batch(
        self, engine: Engine, hook: RowPerRecord
    ) -> None:
        """It was catching up, so none of these writes is to blame."""
        hook.errors["begin"] = ProjectionFailed("rows", "told to", position=1, stream="thing-a", event_type="moved")
        for batch in ([to_stream("thing-a")], [to_stream("thing-a"), to_stream("thing-b")]):
            with pytest.raises(ProjectionFailed):
                await engine.append(batch)
        assert await whole_log(engine) == []

    async def test_what_is_stored_stays_acknowledged_when_the_hook_fails_afterwards(
        self, engine: Engine, hook: RowPerRecord
    ) -> None:
        hook.errors["end"] = ValueError("a bug")
        await stored(engine, to_stream("thing-a"))
        hook.errors.clear()
        await stored(engine, to_stream("thing-a"))
        assert hook.changed[-1]
        assert await rows(engine) == ["001 moved", "002 moved"]

    async def test_the_hook_is_told_when_what_it_remembers_may_be_wrong(
        self, engine: Engine, hook: RowPerRecord
    ) -> None:
        async def changed(write: Write) -> bool:
            before = len(hook.changed)
            await engine.append([write])
            return hook.changed[before]

        assert await changed(to_stream("thing-a"))  # the first one
        assert not await changed(to_stream("thing-a"))
        hook.errors["flush"] = ValueError("a bug")
        with pytest.raises(ValueError, match="a bug"):
            await engine.append([to_stream("thing-a")])
        hook.errors.clear()
        assert await changed(to_stream("thing-a"))  # the last batch was undone
        assert not await changed(to_stream("thing-a"))
        await engine.beside.write(putting("z"))
        assert await changed(to_stream("thing-a"))  # somebody else wrote rows
        assert not await changed(to_stream("thing-a"))

    async def test_a_job_beside_the_log_sees_where_it_ends_and_nobody_appends_meanwhile(
        self, engine: Engine, hook: RowPerRecord
    ) -> None:
        def look(connection: Any) -> tuple[int, int, list[Record]]:
            before, read = engine.log_within(connection)
            found = [*read(EVERYTHING, after=1, limit=2), *read(Selection(types=("seen",)), after=0, limit=1)]
            time.sleep(0.01)  # if somebody could append, here he would
            after, _ = engine.log_within(connection)
            return before, after, found

        await stored(engine, to_stream("thing-a", *fresh("moved", amount=3)), to_stream("thing-b", *fresh("seen")))
        log = await whole_log(engine)
        assert await engine.beside.write(look) == (4, 4, [log[1], log[2], log[3]])
        (before, after, _), *_ = await asyncio.gather(
            engine.beside.write(look), *[engine.append([to_stream("thing-a")]) for _ in range(5)]
        )
        assert before == after

    async def test_an_engine_without_a_hook_any_more_calls_none(self, engine: Engine, hook: RowPerRecord) -> None:
        await stored(engine, to_stream("thing-a"))
        engine.hook(None)
        calls = list(hook.calls)
        await stored(engine, to_stream("thing-a"))
        assert hook.calls == calls

    async def test_a_hook_stays_when_the_engine_is_opened_again(self, engine: Engine, hook: RowPerRecord) -> None:
        await engine.close()
        await engine.open()
        await stored(engine, to_stream("thing-a"))
        assert await rows(engine) == ["001 moved"]

    async def test_a_hook_may_be_given_before_the_engine_is_open(self, tmp_path: Path) -> None:
        engine, hook = await self.make_engine(tmp_path), RowPerRecord()
        engine.hook(hook)
        await engine.open()
        await stored(engine, to_stream("thing-a"))
        assert await rows(engine) == ["001 moved"]
        await engine.close()

    async def test_the_hook_sees_restored_records(self, engine: Engine, hook: RowPerRecord) -> None:
        restored = [
            Record(1, "thing-a", 1, "moved", 1, "id-1", 5, "{}"),
            Record(2, "a-b", 1, "seen", 1, "id-2", 6, "{}"),
        ]
        await engine.restore(restored)
        assert hook.applied == restored
        assert await rows(engine) == ["001 moved", "002 seen"]
        for type, error in (("bad", ProjectionFailed), ("bad-row", ProjectionFailed)):
            with pytest.raises(error):
                await engine.restore([Record(3, "thing-a", 2, type, 1, "id-3", 7, "{}")])
        hook.errors["apply"] = ValueError("a bug")
        with pytest.raises(ValueError, match="a bug"):
            await engine.restore([Record(3, "thing-a", 2, "moved", 1, "id-3", 7, "{}")])
        hook.errors.clear()
        assert await whole_log(engine) == restored
        assert await rows(engine) == ["001 moved", "002 seen"]


class SharedAppendHooks(EngineCase):
    """Inline read models of several engines on one storage, as of several processes (A9)."""

    @asynccontextmanager
    async def _with_hook(self, folder: Path, hook: RowPerRecord) -> AsyncGenerator[Engine]:
        engine = await self.make_engine(folder)
        engine.hook(hook)
        await engine.open()
        try:
            yield engine
        finally:
            await engine.close()

    async def test_the_hook_is_told_that_another_engine_wrote(self, engine: Engine, tmp_path: Path) -> None:
        mine, others = RowPerRecord(), RowPerRecord()
        await engine.beside.write(create_rows)
        engine.hook(mine)
        async with self._with_hook(tmp_path, others) as other:
            await stored(engine, to_stream("thing-a"))
            await stored(engine, to_stream("thing-a"))
            await stored(other, to_stream("thing-a"))
            await stored(engine, to_stream("thing-a"))
            await other.beside.write(putting("z"))
            await stored(engine, to_stream("thing-a"))
            assert mine.changed == [True, False, True, True]
            assert mine.heads == [0, 1, 3, 4]
            assert [record.position for record in mine.seen] == [1, 2, 3, 4]
            assert await rows(other) == [*(f"{number:03} moved" for number in range(1, 6)), "z"]
