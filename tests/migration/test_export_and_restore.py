"""Export and restore: the same store again, on any engine, or a clear refusal."""

import asyncio
import gzip
import hashlib
import io
import json
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from everfold.codec.metadata import metadata
from everfold.codec.pipeline import Codec
from everfold.engines.connect import connect
from everfold.errors import ConfigurationError, InvalidExport, NotFound, RestoreRefused, StoreBusy
from everfold.log.checkpoint import Checkpoint
from everfold.log.idempotency import Repeatable, StoredReply
from everfold.log.record import NewRecord, Record
from everfold.log.write import StreamAppend, Write
from everfold.migration.export import export_store
from everfold.migration.imports import run_import
from everfold.migration.restore import restore_store
from everfold.store.committer import Committer
from everfold.store.event_store import EventStore
from everfold.testing.frozen_clock import FrozenClock
from tests.migration.shop import LineInvoiced, lines_of, quantities, rows, shop, write_csv

EVENTS = 2_300
Damage = Callable[[list[bytes]], bytes]
Content = tuple[list[Record], list[StoredReply], list[Checkpoint]]


@asynccontextmanager
async def opened(url: str) -> AsyncGenerator[EventStore]:
    engine = connect(url)
    await engine.open()
    try:
        yield EventStore(engine, Codec((), new_id=lambda: ""), Committer(engine))
    finally:
        await engine.close()


async def content(store: EventStore) -> Content:
    records = [record async for record in store.records()]
    return records, list(await store.engine.replies(limit=9_999)), list(await store.engine.checkpoints())


def new(number: int, data: str = '{"a":1}', metadata_json: str = "{}", tags: tuple[str, ...] = ()) -> NewRecord:
    return NewRecord("noted", 1, f"id-{number}", data, metadata_json, tags)


async def fill(store: EventStore, count: int = EVENTS, *, begin: int = 0) -> None:
    """Events in 7 streams, with replies and checkpoints between them."""
    for number in range(begin, begin + count, 100):
        records = [new(one, tags=(f"n:{one % 3}",)) for one in range(number, min(number + 100, begin + count))]
        appends = tuple(StreamAppend(f"note-{index % 7}", (record,)) for index, record in enumerate(records))
        again = Repeatable(f"key-{number}", "f", f'"{number}"')
        checkpoints = (Checkpoint("follower", number), Checkpoint("import:x", 10**9 + number))
        await store.write(Write(appends=appends, repeatable=again, checkpoints=checkpoints))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path


@pytest.mark.parametrize("name", ["all.jsonl", "all.jsonl.gz"])
@pytest.mark.parametrize("target", ["memory:", "restored.db"])
async def test_everything_comes_back(folder: Path, monkeypatch: pytest.MonkeyPatch, name: str, target: str) -> None:
    monkeypatch.chdir(folder)
    async with opened("a.db") as store:
        await fill(store)
        report = await export_store(store, name)
        expected = await content(store)
    assert (report.records, report.replies, report.checkpoints, report.head) == (EVENTS, 23, 2, EVENTS)
    async with opened(target) as store:
        restored = await restore_store(store, name)
        assert await content(store) == expected
        assert (restored.records, restored.records_before, restored.replies) == (EVENTS, 0, 23)
        again = await restore_store(store, name)
        assert (again.records, again.records_before, again.replies, again.checkpoints) == (0, EVENTS, 0, 0)
        await fill(store, 100, begin=EVENTS)  # life goes on
        assert await store.head() == EVENTS + 100


async def test_the_file_can_be_read_by_people(folder: Path) -> None:
    clock = FrozenClock(datetime(2030, 1, 1, 12, tzinfo=UTC))
    async with shop("memory:") as app:
        with metadata(actor="ann"):
            await app.store.append("invoice-i1", LineInvoiced(item="x", quantity=1))
        report = await export_store(app.store, folder / "all.jsonl", clock=clock)
    lines = (folder / "all.jsonl").read_bytes().splitlines(keepends=True)
    header, record, trailer = map(json.loads, lines)
    assert header == {"kind": "everfold-export", "format": 1, "head": 1, "written": "2030-01-01T12:00:00Z"}
    assert record["data"] == {"item": "x", "quantity": 1}
    assert record["metadata"]["actor"] == "ann"
    sha256 = hashlib.sha256(b"".join(lines[:-1])).hexdigest()
    assert trailer == {"kind": "end", "records": 1, "replies": 0, "checkpoints": 0, "sha256": sha256}
    assert report.sha256 == sha256


texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
json_texts = st.recursive(
    st.none() | st.booleans() | st.integers() | texts, lambda inner: st.dictionaries(texts, inner, max_size=3)
).map(json.dumps)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.tuples(st.integers(1, 3), json_texts | texts, json_texts | texts, st.lists(texts, unique=True))))
def test_any_record_comes_back(tmp_path: Path, found: list[tuple[int, str, str, list[str]]]) -> None:
    async def round_trip() -> None:
        async with opened("memory:") as store, opened("memory:") as other:
            for number, (key, data, meta, tags) in enumerate(found):
                record = new(number, data, meta, tuple(tags))
                await store.write(Write(appends=(StreamAppend(f"note-{key}", (record,)),)))
            stream = io.BytesIO()
            await export_store(store, stream)
            stream.seek(0)
            await restore_store(other, stream)
            assert await content(other) == await content(store)

    asyncio.run(round_trip())


async def test_an_export_is_one_moment_while_others_write(folder: Path) -> None:
    async with opened(str(folder / "a.db")) as store, opened("memory:") as other:
        await fill(store)
        is_over = False

        async def write_on() -> None:
            number = EVENTS
            while not is_over:
                await fill(store, 5, begin=number)
                number += 5

        writing = asyncio.create_task(write_on())
        await asyncio.sleep(0.02)
        report = await export_store(store, folder / "all.jsonl")
        is_over = True
        await writing
        records, replies, checkpoints = await content(store)
        assert len(records) > report.head >= EVENTS
        await restore_store(other, folder / "all.jsonl")
        restored = await content(other)
    assert restored[0] == records[: report.head]
    assert restored[1] == [reply for reply in replies if reply.last <= report.head]
    assert restored[2][0].position <= checkpoints[0].position
    assert restored[2][0].position == int(max(restored[1], key=lambda reply: reply.last).key.removeprefix("key-"))


async def test_what_came_later_can_be_added(folder: Path) -> None:
    async with opened(str(folder / "a.db")) as store, opened(str(folder / "b.db")) as other:
        await fill(store)
        await export_store(store, folder / "1.jsonl")
        await fill(store, 1_500, begin=EVENTS)
        await store.write(Write(repeatable=Repeatable("no-records", "f", "1")))
        report = await export_store(store, folder / "2.jsonl", after=EVENTS)
        assert (report.after, report.records, report.head) == (EVENTS, 1_500, EVENTS + 1_500)
        with pytest.raises(RestoreRefused, match=r"continues a store that ends at position 2300. Restore that first"):
            await restore_store(other, folder / "2.jsonl")
        await restore_store(other, folder / "1.jsonl")
        await restore_store(other, folder / "2.jsonl")
        await restore_store(other, folder / "2.jsonl")
        assert await content(other) == await content(store)
        with pytest.raises(RestoreRefused, match="it has more than the file"):
            await restore_store(other, folder / "1.jsonl")


async def test_an_addition_needs_its_own_beginning(folder: Path) -> None:
    async with opened("memory:") as store, opened("memory:") as other:
        await fill(store, 200)
        await export_store(store, folder / "2.jsonl", after=100)
        await fill(other, 100, begin=50)
        with pytest.raises(RestoreRefused, match="its record at position 100 is not the one that the file continues"):
            await restore_store(other, folder / "2.jsonl")
        with pytest.raises(NotFound, match="The log ends at position 200"):
            await export_store(store, folder / "3.jsonl", after=201)
    assert not (folder / "3.jsonl").exists()


async def test_an_interrupted_restore_continues(folder: Path) -> None:
    async with opened("memory:") as store:
        await fill(store)
        await export_store(store, folder / "all.jsonl")
        expected = await content(store)
    async with opened(str(folder / "b.db")) as other:
        restore, calls = other.engine.restore, 0

        async def break_off(records: Sequence[Record], **beside: Any) -> None:
            nonlocal calls
            calls += 1
            if calls == 3:
                raise StoreBusy("Interrupted.")
            await restore(records, **beside)

        other.engine.restore = break_off  # type: ignore[method-assign]
        with pytest.raises(StoreBusy):
            await restore_store(other, folder / "all.jsonl")
    async with opened(str(folder / "b.db")) as other:
        assert await other.head() == 2_000
        report = await restore_store(other, folder / "all.jsonl")
        assert (report.records_before, report.records) == (2_000, 300)
        assert await content(other) == expected


async def test_a_store_with_something_else_is_left_alone(folder: Path) -> None:
    async with opened("memory:") as store:
        await fill(store)
        await export_store(store, folder / "all.jsonl")
    for write, why in (
        (Write(appends=(StreamAppend("note-1", (new(7),)),)), "its record at position 1 is another one"),
        (Write(repeatable=Repeatable("key-0", "other", "1")), "its reply to the idempotency key 'key-0' is another"),
        (Write(checkpoints=(Checkpoint("follower", 7),)), "its checkpoint 'follower' is another one"),
    ):
        async with opened("memory:") as other:
            await other.write(write)
            with pytest.raises(RestoreRefused, match=why):
                await restore_store(other, folder / "all.jsonl")


def cut(lines: list[bytes]) -> bytes:
    return b"".join(lines)[:-30]


def without(index: int) -> Damage:
    return lambda lines: b"".join(line for line in lines if line is not lines[index])


def changed(index: int, old: bytes, new: bytes) -> Damage:
    def change(lines: list[bytes]) -> bytes:
        assert old in lines[index]
        return b"".join([*lines[:index], lines[index].replace(old, new), *lines[index + 1 :]])

    return change


DAMAGES: list[tuple[Damage, str]] = [
    (cut, "line 9: .*cut off"),
    (without(-1), "line 8: the file is cut off: its last line is missing"),
    (without(0), "line 1: .*does not belong here"),
    (without(2), "line 3: position 3 comes where 2 should"),
    (without(-2), "line 8: the checksum or the counts"),
    (changed(3, b'"a":1', b'"a":2'), "line 9: the checksum or the counts"),
    (changed(3, b'"a":1', b'"a":'), "line 4: the file is damaged"),
    (changed(3, b'"kind":"record"', b'"kind":"recorded"'), "line 4: the file is damaged"),
    (changed(3, b'"data":{"a":1},', b""), "line 4: the file is damaged or was changed. .*the record has no data"),
    (changed(3, b'"version"', b'"extra":1,"version"'), "line 4: the file is damaged"),
    (changed(0, b'"format":1', b'"format":2'), "line 1: it has format 2, and this everfold reads 1. Upgrade"),
    (changed(0, b'"head":4', b'"head":5'), "line 9: the checksum or the counts"),
    (lambda lines: b"".join(lines) + lines[-1], "line 10: a line of this kind does not belong here"),
    (lambda lines: lines[0] + b"".join(lines), "line 2: a line of this kind does not belong here"),
    (lambda lines: b"".join([lines[0], lines[-2], *lines[1:-2], lines[-1]]), "line 3: a line of this kind"),
    (lambda lines: b"", "the file is cut off"),
    (lambda lines: b"\n", "line 1: it does not begin as an exported store does"),
    (lambda lines: b"\x00\xff" * 99, "line 1: it does not begin as an exported store does"),
    (lambda lines: b"a,b\n1,2\n", "line 1: it does not begin as an exported store does"),
    (lambda lines: gzip.compress(b"".join(lines))[:-9], "the compressed file is damaged or cut off"),
]


@pytest.mark.parametrize(("damage", "expected"), DAMAGES)
async def test_damaged_files_are_refused_before_anything_is_stored(folder: Path, damage: Damage, expected: str) -> None:
    path = folder / "all.jsonl"
    async with opened("memory:") as store:
        await fill(store, 4)
        await export_store(store, path)
    lines = path.read_bytes().splitlines(keepends=True)
    assert len(lines) == 9
    path.write_bytes(damage(lines))
    async with opened("memory:") as other:
        with pytest.raises(InvalidExport, match=f"all.jsonl.*{expected}") as found:
            await restore_store(other, path)
        assert await content(other) == ([], [], [])
    assert found.value.source == "all.jsonl"


async def test_a_file_that_exists_is_not_overwritten(folder: Path) -> None:
    (folder / "all.jsonl").write_text("precious")
    async with opened("memory:") as store:
        with pytest.raises(ConfigurationError, match="exists already"):
            await export_store(store, folder / "all.jsonl")
    assert (folder / "all.jsonl").read_text() == "precious"


def files(folder: Path) -> list[Path]:
    return list(folder.iterdir())


async def test_an_export_that_fails_leaves_no_file(folder: Path) -> None:
    async with opened("memory:") as store:
        await fill(store, 5)

        def stop(position: int, head: int) -> None:
            assert (position, head) == (5, 5)
            raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt):
            await export_store(store, folder / "all.jsonl", progress=stop)
    assert files(folder) == []


async def test_a_file_that_is_not_there() -> None:
    async with opened("memory:") as store:
        with pytest.raises(InvalidExport, match=r"nothing[.]jsonl: cannot be read: No such file"):
            await restore_store(store, "nothing.jsonl")


async def test_an_empty_store_can_be_moved_too(folder: Path) -> None:
    async with opened("memory:") as store, opened("memory:") as other:
        await export_store(store, folder / "all.jsonl")
        assert (await restore_store(other, folder / "all.jsonl")).head == 0


async def test_an_import_goes_on_in_a_restored_store(folder: Path) -> None:
    path = write_csv(folder / "old.csv", rows(1_200))
    async with shop("memory:") as app:
        await run_import(app.store, lines_of(path))
        await export_store(app.store, folder / "all.jsonl")
    write_csv(path, rows(1_300))
    async with shop(str(folder / "b.db")) as app:
        await restore_store(app.store, folder / "all.jsonl")
        assert (await run_import(app.store, lines_of(path))).rows == 100
        assert await quantities(app) == list(range(1, 1_301))


async def test_a_cancelled_restore_continues(folder: Path) -> None:
    async with opened("memory:") as store:
        await fill(store, 20_000)
        await export_store(store, folder / "all.jsonl")
        expected = await content(store)
    async with opened(str(folder / "b.db")) as other:
        begun = asyncio.Event()
        running = asyncio.create_task(
            restore_store(other, folder / "all.jsonl", progress=lambda position, head: begun.set())
        )
        await begun.wait()
        running.cancel()
        with pytest.raises(asyncio.CancelledError):
            await running
        assert 0 < await other.head() < 20_000
        await restore_store(other, folder / "all.jsonl")
        assert await content(other) == expected
