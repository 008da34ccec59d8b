"""A parallel run: matching, mapping, tolerance, order, and what cannot be compared."""

import datetime as dt
import enum
import random
import sqlite3
from collections.abc import Callable, Iterator, Mapping, Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any, TypeVar
from uuid import UUID

import pytest
import sqlalchemy as sql

from everfold import ReadModel
from everfold.errors import ConfigurationError, InvalidImport
from everfold.migration.compare import LegacyTable, ParallelRun, compare_with_legacy

T = TypeVar("T")


class Colour(enum.Enum):
    RED = "red"


class Entry(ReadModel, key="id"):
    id: str
    amount: int = 0


class Wide(ReadModel, key=("day", "number")):
    day: dt.date
    number: int
    price: Decimal
    at: dt.datetime
    ref: UUID
    colour: Colour
    tags: list[str]
    note: str | None = None


class Rows:
    """Read model rows that lie in a list."""

    def __init__(self, model: type[ReadModel], rows: Sequence[Any]) -> None:
        self.model = model
        self._rows = rows

    async def read(self, job: Callable[[Callable[[Sequence[str]], Iterator[Any]]], T]) -> T:
        return job(lambda order: iter(sorted(self._rows, key=lambda row: [getattr(row, name) for name in order])))


@pytest.fixture
def database(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path / 'old.sqlite'}"


def fill(database: str, *statements: str, rows: Sequence[Sequence[object]] = ()) -> None:
    connection = sqlite3.connect(database.removeprefix("sqlite:///"))
    with connection:
        for statement in statements:
            connection.execute(statement)
        if rows:
            connection.executemany(f"INSERT INTO old VALUES ({', '.join('?' * len(rows[0]))})", rows)  # noqa: S608
    connection.close()


async def compared(
    database: str | sql.Engine, rows: Sequence[Any], query: str | sql.SelectBase = "old", **options: Any
) -> ParallelRun:
    model: type[ReadModel] = type(rows[0]) if rows else Entry  # pyright: ignore[reportUnknownVariableType]
    return await compare_with_legacy(LegacyTable(database=database, query=query, **options), Rows(model, rows))


async def test_equal(database: str) -> None:
    fill(database, "CREATE TABLE old (id TEXT, amount INT, extra INT)", rows=[("b", 2, 0), ("a", 1, 0)])
    found = await compared(database, [Entry("a", 1), Entry("b", 2)])
    assert found.is_same
    assert (found.difference.same, found.compared, found.not_compared) == (2, ("id", "amount"), ("extra",))


async def test_every_kind_of_difference(database: str) -> None:
    fill(database, "CREATE TABLE old (id TEXT, amount INT)", rows=[("a", 1), ("b", 2), ("c", 3)])
    found = (await compared(database, [Entry("b", 2), Entry("c", 4), Entry("d", 5)])).difference
    assert (found.same, found.removed, found.added, found.changed) == (1, 1, 1, 1)
    assert [(each.kind, each.key, each.fields) for each in found.examples] == [
        ("removed", ("a",), []),
        ("changed", ("c",), ["amount"]),
        ("added", ("d",), []),
    ]
    assert (found.examples[1].before, found.examples[1].after) == ({"id": "c", "amount": 3}, {"id": "c", "amount": 4})


@pytest.mark.parametrize(("old", "new"), [([], [Entry("a")]), ([("a", 0)], []), ([], [])])
async def test_an_empty_side(database: str, old: list[tuple[str, int]], new: list[Entry]) -> None:
    fill(database, "CREATE TABLE old (id TEXT, amount INT)", rows=old)
    found = (await compared(database, new)).difference
    assert (found.removed, found.added, found.same) == (len(old), len(new), 0)


async def test_a_number_here_is_text_there(database: str) -> None:
    fill(database, "CREATE TABLE old (id INTEGER PRIMARY KEY, amount INT)", rows=[(n, n) for n in range(1, 200)])
    assert (await compared(database, [Entry(str(n), n) for n in range(1, 200)])).is_same


async def test_a_legacy_collation_does_not_matter(database: str) -> None:
    keys = ["B", "a", "Ä", "b", "é", "z"]
    fill(database, "CREATE TABLE old (id TEXT COLLATE NOCASE, amount INT)", rows=[(key, 0) for key in keys])
    assert (await compared(database, [Entry(key) for key in keys])).is_same


def cents(euros: str) -> int:
    return int(Decimal(euros) * 100)


def swapped(key: str) -> str:
    return {"a": "2", "b": "1"}[key]


async def test_columns_are_mapped_and_converted(database: str) -> None:
    fill(database, "CREATE TABLE old (no TEXT, euros TEXT)", rows=[("a", "1.50"), ("b", "2.00")])
    columns: Mapping[str, Any] = {"no": "id", "euros": ("amount", cents)}
    assert (await compared(database, [Entry("a", 150), Entry("b", 200)], columns=columns)).is_same


async def test_values_are_taken_as_the_type_of_the_field(database: str) -> None:
    moment = dt.datetime(2030, 1, 1, 12, tzinfo=dt.UTC)
    ref = UUID(int=7)
    row = Wide(moment.date(), 1, Decimal("1.1"), moment, ref, Colour.RED, ["x"])
    fill(
        database,
        "CREATE TABLE old (day DATE, number INT, price NUMERIC, at DATETIME, ref TEXT, colour TEXT, tags TEXT, note)",
        rows=[("2030-01-01", 1, 1.1, "2030-01-01 12:00:00.000000", str(ref), " red ", '["x"]', None)],
    )
    found = await compared(database, [row])
    assert found.is_same, found.difference.examples


async def test_tolerance(database: str) -> None:
    fill(database, "CREATE TABLE old (id TEXT, amount REAL)", rows=[("a", 10.4)])
    assert not (await compared(database, [Entry("a", 10)])).is_same
    assert (await compared(database, [Entry("a", 10)], tolerance=0.4)).is_same
    assert (await compared(database, [Entry("a", 10)], tolerance={"amount": Decimal("0.4")})).is_same
    assert not (await compared(database, [Entry("a", 10)], tolerance={"id": 9})).is_same
    assert not (await compared(database, [Entry("a", 10)], tolerance=0.3)).is_same


async def test_moments_may_be_seconds_apart(database: str) -> None:
    class Seen(ReadModel, key="id"):
        id: str
        at: dt.datetime

    fill(database, "CREATE TABLE old (id TEXT, at TEXT)", rows=[("a", "2030-01-01T12:00:01+00:00")])
    rows = [Seen("a", dt.datetime(2030, 1, 1, 12, tzinfo=dt.UTC))]
    assert (await compared(database, rows, tolerance=1)).is_same
    assert not (await compared(database, rows, tolerance=0.5)).is_same


async def test_ignored_fields(database: str) -> None:
    fill(database, "CREATE TABLE old (id TEXT)", rows=[("a",)])
    found = await compared(database, [Entry("a", 9)], ignored=["amount"])
    assert (found.is_same, found.compared) == (True, ("id",))


async def test_another_key(database: str) -> None:
    fill(database, "CREATE TABLE old (id TEXT, amount INT)", rows=[("x", 1), ("y", 2)])
    found = await compared(database, [Entry("a", 2), Entry("b", 1)], key=["amount"], ignored=["id"])
    assert (found.is_same, found.difference.same) == (True, 2)


async def test_selects_and_engines(database: str) -> None:
    fill(database, "CREATE TABLE old (id TEXT, amount INT, gone INT)", rows=[("a", 1, 0), ("b", 2, 1)])
    table = sql.table("old", sql.column("id"), sql.column("amount"), sql.column("gone"))
    query = sql.select(table.c.id, table.c.amount).where(table.c.gone == 0)
    engine = sql.create_engine(database)
    try:
        assert (await compared(engine, [Entry("a", 1)], query)).is_same
    finally:
        engine.dispose()
    text = "SELECT id, amount FROM old WHERE gone = 0;"
    assert (await compared(database, [Entry("a", 1)], text)).is_same


async def test_many_rows_in_any_order_as_a_dictionary_would_say(database: str) -> None:
    chance = random.Random(5)
    old = {f"k{chance.randrange(3000)}": chance.randrange(3) for _ in range(2500)}
    new = {f"k{chance.randrange(3000)}": chance.randrange(3) for _ in range(2500)}
    fill(database, "CREATE TABLE old (id TEXT, amount INT)", rows=list(old.items()))
    told: list[tuple[int, float | None]] = []
    found = await compare_with_legacy(
        LegacyTable(database=database, query="old"),
        Rows(Entry, [Entry(*each) for each in new.items()]),
        progress=lambda step, share: told.append((step, share)),
        examples=3,
    )
    both = old.keys() & new.keys()
    counts = found.difference
    assert counts.same == sum(old[key] == new[key] for key in both)
    assert counts.changed == len(both) - counts.same
    assert (counts.removed, counts.added) == (len(old) - len(both), len(new) - len(both))
    assert len(counts.examples) == 3
    assert (sum(step for step, _ in told), told[-1][1]) == (len(old), 1.0)


@pytest.mark.parametrize(
    ("columns", "rows", "options", "problem"),
    [
        ("id TEXT, amount INT", [("a", 1), ("a", 2)], {}, "the key twice"),
        ("id TEXT, amount INT", [(None, 1)], {}, "without a key"),
        ("id TEXT, amount INT", [("a", 1)], {"columns": {"x": "id"}}, "has no column 'x'. It has id, amount."),
        ("id TEXT, amount INT", [("a", 1)], {"columns": {"id": "x"}}, "Entry has no field 'x'"),
        ("id TEXT, amount INT", [("a", 1)], {"ignored": ["x"]}, "Entry has no field 'x'"),
        ("id TEXT", [("a",)], {}, "has no column for amount"),
    ],
)
async def test_what_cannot_be_compared(
    database: str, columns: str, rows: list[tuple[Any, ...]], options: dict[str, Any], problem: str
) -> None:
    fill(database, f"CREATE TABLE old ({columns})", rows=rows)
    with pytest.raises(ConfigurationError, match=problem):
        await compared(database, [Entry("a", 1)], **options)


async def test_a_conversion_that_changes_the_order(database: str) -> None:
    fill(database, "CREATE TABLE old (id TEXT, amount INT)", rows=[("a", 1), ("b", 2)])
    columns = {"id": ("id", swapped)}
    with pytest.raises(ConfigurationError, match="not their order as values"):
        await compared(database, [Entry("1", 2), Entry("2", 1)], columns=columns)


@pytest.mark.parametrize("query", ["missing", "SELECT nonsense FROM nowhere"])
async def test_a_database_that_cannot_be_read(database: str, query: str) -> None:
    fill(database, "CREATE TABLE other (id)")
    with pytest.raises(InvalidImport):
        await compared(database, [Entry("a", 1)], query)


async def test_a_legacy_file_is_never_made(database: str) -> None:
    for _ in range(2):
        with pytest.raises(ConfigurationError, match="There is no legacy database"):
            await compared(database, [Entry("a", 1)])


@pytest.mark.parametrize("url", ["nonsense", "nodialect://x"])
async def test_a_url_that_is_none(url: str) -> None:
    with pytest.raises(ConfigurationError, match="Give a SQLAlchemy URL"):
        await compared(url, [Entry("a", 1)])
