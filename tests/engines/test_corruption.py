"""Damage is detected and located: bits, rows, indexes and pages that are not what was written (A21)."""

import random
import re
import sqlite3
from collections.abc import AsyncGenerator
from contextlib import closing
from pathlib import Path

import pytest

from everfold.engines.sqlite.engine import SqliteEngine
from everfold.errors import StoreCorrupt
from everfold.log.integrity import Damage
from everfold.log.selection import EVERYTHING, Selection
from everfold.testing.contracts.engine_case import fresh, stored, to_stream, whole_log

RECORDS = 60


@pytest.fixture
async def path(tmp_path: Path) -> AsyncGenerator[Path]:
    """A closed store of 60 records in three streams."""
    path = tmp_path / "log.db"
    engine = SqliteEngine(path)
    await engine.open()
    for number in range(RECORDS):
        await stored(engine, to_stream(f"thing-{number % 3}", *fresh(tags=("even",) if number % 2 else ("odd", "ü"))))
    await engine.close()
    yield path


def damage(path: Path, *statements: str) -> None:
    """Change the file behind everfold's back, as an operator with a SQL tool could."""
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute("DROP TRIGGER events_are_never_changed")
        connection.execute("DROP TRIGGER events_are_never_deleted")
        for statement in statements:
            connection.execute(statement)


async def verified(path: Path, *, limit: int = 1_000) -> list[Damage]:
    """All that `verify` finds, in spans."""
    engine = SqliteEngine(path)
    await engine.open()
    try:
        reached, found = 0, list[Damage]()
        while True:
            span = await engine.verify(after=reached, limit=limit)
            found.extend(span.damages)
            if span.position == reached:
                return found
            reached = span.position
    finally:
        await engine.close()


@pytest.mark.parametrize("limit", [7, 1_000])
@pytest.mark.parametrize(
    "change",
    [
        "data = '{\"changed\":1}'",
        "metadata = '[]'",
        "type = 'renamed'",
        "schema_version = 2",
        "id = 'other'",
        "recorded = recorded + 1",
        "tags = '[\"other\"]'",
        "tags = NULL",
        "stream = 'thing-9'",
        "version = 90",
        "checksum = 0",
        "data = CAST(x'7bff7d' AS TEXT)",
    ],
)
async def test_a_changed_column_is_located(path: Path, change: str, limit: int) -> None:
    damage(path, f"UPDATE events SET {change} WHERE position = 31")  # noqa: S608 (ours)
    assert (await verified(path, limit=limit))[0].position in {31, 34}
    assert 31 in {damage.position for damage in await verified(path, limit=limit)}


def flip_a_bit(path: Path, original: bytes, chance: random.Random) -> None:
    """Change one bit of an event id, beneath SQLite: in the table or in an index."""
    places = [found.start() for found in re.finditer(b"00000000-0000-7000-8000-", original)]
    flipped = bytearray(original)
    flipped[chance.choice(places) + chance.randrange(36)] ^= 1 << chance.randrange(8)
    path.write_bytes(flipped)


async def test_every_flipped_bit_is_detected(path: Path) -> None:
    """SQLite itself reports almost none of them."""
    chance, original = random.Random(3), path.read_bytes()  # noqa: ASYNC240 (a small file)
    for _ in range(40):
        flip_a_bit(path, original, chance)
        assert await verified(path)


async def test_a_missing_record_is_located(path: Path) -> None:
    damage(path, "DELETE FROM events WHERE position IN (30, 31)")
    assert Damage(30, "the positions 30 to 31 are missing.") in await verified(path)
    assert Damage(30, "the positions 30 to 31 are missing.") in await verified(path, limit=29)


async def test_missing_newest_records_are_noticed(path: Path) -> None:
    damage(path, "DELETE FROM events WHERE position > 55")
    assert await verified(path) == [Damage(56, "the newest records are missing: the log had 60.")]


async def test_a_missing_log_is_noticed(path: Path) -> None:
    damage(path, "DELETE FROM events")
    assert [found.position for found in await verified(path)] == [1]


async def test_a_record_beyond_the_end_is_noticed(path: Path) -> None:
    damage(path, "UPDATE log_head SET position = 59")
    assert [(found.position, "ends at 59" in found.problem) for found in await verified(path)] == [(60, True)]


async def test_a_record_that_its_tag_does_not_list_is_noticed(path: Path) -> None:
    damage(path, "DELETE FROM event_tags WHERE position = 17 AND tag = 'ü'")
    assert await verified(path) == [Damage(17, "the tag 'ü' does not list it.")]


async def test_a_record_that_its_stream_does_not_list_is_noticed(path: Path) -> None:
    """An index that lost an entry: SQLite would silently leave the record out of its stream."""
    damage(
        path,
        "PRAGMA writable_schema = ON",
        "UPDATE sqlite_schema SET sql = replace(sql, '(stream, version)', '(stream, version) WHERE position != 20') "
        "WHERE name = 'events_by_stream'",
        "PRAGMA writable_schema = RESET",
        "REINDEX events_by_stream",
        "PRAGMA writable_schema = ON",
        "UPDATE sqlite_schema SET sql = replace(sql, ' WHERE position != 20', '') WHERE name = 'events_by_stream'",
        "PRAGMA writable_schema = RESET",
    )
    found = await verified(path)
    assert Damage(20, "the stream 'thing-1' does not list it as version 7.") in found


def wreck(path: Path, sign: bytes, *, keep: int) -> None:
    """Write over the pages that hold this text, except for the first ones."""
    content = bytearray(path.read_bytes())
    pages = [start for start in range(0, len(content), 4096) if sign in content[start : start + 4096]]
    for start in pages[keep:]:
        content[start : start + 4096] = random.Random(start).randbytes(4096)
    path.write_bytes(content)


async def test_a_damaged_page_is_reported_with_the_position_it_begins_at(path: Path) -> None:
    """Pages of the table are written over; those before them are still checked and told apart."""
    engine = SqliteEngine(path)
    await engine.open()
    await stored(engine, *(to_stream("thing-big", *fresh(data="x" * 3_000)) for _ in range(60)))
    await engine.close()
    wreck(path, b"x" * 100, keep=RECORDS // 2)
    with pytest.raises(StoreCorrupt) as caught:
        await verified(path)
    assert caught.value.position is not None
    assert RECORDS < caught.value.position < RECORDS + 60


async def test_reading_damaged_text_says_that_it_is_damaged(path: Path) -> None:
    damage(
        path,
        "UPDATE events SET data = CAST(x'7bff7d' AS TEXT) WHERE position = 5",
        "UPDATE events SET tags = 'no list' WHERE position = 6",
        "UPDATE events SET tags = '[7]' WHERE position = 7",
    )
    engine = SqliteEngine(path)
    await engine.open()
    with pytest.raises(StoreCorrupt):
        await engine.read(EVERYTHING, after=4, limit=1)
    for position in (6, 7):
        with pytest.raises(StoreCorrupt) as caught:
            await engine.read(EVERYTHING, after=position - 1, limit=1)
        assert caught.value.position == position
    assert len(await engine.read(EVERYTHING, after=7, limit=100)) == RECORDS - 7
    await engine.close()


@pytest.mark.parametrize("statement", ["UPDATE events SET data = ''", "DELETE FROM events WHERE position = 60"])
async def test_sql_tools_cannot_change_records_by_accident(path: Path, statement: str) -> None:
    with closing(sqlite3.connect(path)) as connection, pytest.raises(sqlite3.IntegrityError, match="append-only"):
        connection.execute(statement)
    assert await verified(path) == []


async def test_an_append_to_a_log_with_a_stranger_in_its_way_fails_and_overwrites_nothing(path: Path) -> None:
    damage(path, "UPDATE log_head SET position = 59")
    engine = SqliteEngine(path)
    await engine.open()
    (outcome,) = await engine.append([to_stream("thing-new")])
    assert "UNIQUE" in str(getattr(outcome, "error", ""))
    assert len(await whole_log(engine)) == RECORDS
    assert len(await engine.read(Selection(stream="thing-new"), limit=9)) == 0
    await engine.close()
