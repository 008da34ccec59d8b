"""Importing: every row once, in order, whatever stops it; then the rows that came later."""

import asyncio
import csv
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sql

from everfold.codec.metadata import metadata
from everfold.errors import DefinitionError, InvalidImport, OutcomeUnknown, SourceChanged, StoreFull
from everfold.log.checkpoint import Checkpoint
from everfold.log.write import Write
from everfold.migration.batches import MAX_EVENTS
from everfold.migration.csv_source import CsvSource
from everfold.migration.import_report import ImportProgress, Rejection
from everfold.migration.imports import imported_rows, run_import
from everfold.migration.json_lines_source import JsonLinesSource
from everfold.migration.mapping import Import, Imported
from everfold.migration.table_source import TableSource
from tests.app.stores import StoreMaker, Watched, contents
from tests.migration.shop import (
    RETAIL,
    InvoiceBegun,
    LineInvoiced,
    invoice,
    line,
    lines_of,
    needs_retail,
    quantities,
    rows,
    shop,
    write_csv,
)


async def test_every_row_is_imported_in_order_and_once(store: StoreMaker, tmp_path: Path) -> None:
    path = write_csv(tmp_path / "old.csv", rows(2_500))
    async with shop(store()) as app:
        first = await run_import(app.store, lines_of(path))
        before = await contents(app)
        second = await run_import(app.store, lines_of(path))
        assert await contents(app) == before
        assert await imported_rows(app.store, "old-shop") == 2_500
        assert await quantities(app) == list(range(1, 2_501))
    assert (first.rows_before, first.rows, first.events) == (0, 2_500, 2_500)
    assert first.events_by_type == {"line-invoiced": 2_500}
    assert (second.rows_before, second.rows, second.events) == (2_500, 0, 0)
    assert [record.version for record in before if record.stream == "invoice-i7"] == [1, 2, 3]


async def test_rows_that_came_later_are_imported_by_the_next_run(store: StoreMaker, tmp_path: Path) -> None:
    path = write_csv(tmp_path / "old.csv", rows(10))
    async with shop(store()) as app:
        await run_import(app.store, lines_of(path))
        write_csv(path, rows(1_703))
        report = await run_import(app.store, lines_of(path))
        assert (report.rows_before, report.rows) == (10, 1_693)
        assert await quantities(app) == list(range(1, 1_704))


async def test_equal_rows_are_all_imported(store: StoreMaker, tmp_path: Path) -> None:
    path = write_csv(tmp_path / "old.csv", [("i1", "same", 1)] * 5)
    async with shop(store()) as app:
        assert (await run_import(app.store, lines_of(path))).events == 5
        assert len({record.id for record in await contents(app)}) == 5


async def test_ids_are_the_same_in_every_store(tmp_path: Path) -> None:
    path = write_csv(tmp_path / "old.csv", rows(5))
    ids: list[list[str]] = []
    for name in ("old-shop", "old-shop", "another"):
        async with shop("memory:") as app:
            await run_import(app.store, lines_of(path, name))
            ids.append([record.id for record in await contents(app)])
    assert ids[0] == ids[1]
    assert not set(ids[0]) & set(ids[2])


async def test_rows_that_become_nothing_are_passed_over(tmp_path: Path) -> None:
    path = write_csv(tmp_path / "old.csv", [("i1", "", 1), ("i1", "x", 2), ("i1", "", 3)])
    async with shop("memory:") as app:
        report = await run_import(app.store, lines_of(path))
        assert (report.rows, report.events, await imported_rows(app.store, "old-shop")) == (3, 1, 3)


async def test_neighbouring_rows_are_mapped_together(store: StoreMaker, tmp_path: Path) -> None:
    path = write_csv(tmp_path / "old.csv", rows(2_001))
    async with shop(store()) as app:
        grouped = Import("old-shop", CsvSource(path), invoice, "invoice")
        report = await run_import(app.store, grouped)
        assert report.events_by_type == {"invoice-begun": 667, "line-invoiced": 2_001}
        begun = [event.lines async for event, _ in app.store.read() if isinstance(event, InvoiceBegun)]
        assert set(begun) == {3}
        assert (await run_import(app.store, grouped)).rows == 0


async def test_a_group_that_goes_on_after_it_was_imported_is_refused(tmp_path: Path) -> None:
    path = write_csv(tmp_path / "old.csv", rows(5))
    async with shop("memory:") as app:
        grouped = Import("old-shop", CsvSource(path), invoice, "invoice")
        await run_import(app.store, grouped)
        write_csv(path, rows(7))
        with pytest.raises(SourceChanged, match="line 7, field 'invoice': the row continues the group 'i2'"):
            await run_import(app.store, grouped)
        assert len(await contents(app)) == 7


async def test_a_column_to_group_by_that_is_not_there(tmp_path: Path) -> None:
    path = write_csv(tmp_path / "old.csv", rows(2))
    async with shop("memory:") as app:
        with pytest.raises(InvalidImport, match="no field 'number' to group by"):
            await run_import(app.store, Import("x", CsvSource(path), invoice, "number"))


async def test_a_bad_row_is_named_and_what_came_before_it_is_stored(store: StoreMaker, tmp_path: Path) -> None:
    path = write_csv(tmp_path / "old.csv", [*rows(1_500), ("i9", "x", "many"), *rows(3, begin=1_501)])
    async with shop(store()) as app:
        with pytest.raises(InvalidImport) as found:
            await run_import(app.store, lines_of(path))
        assert (found.value.line, found.value.row, found.value.field) == (1_502, 1_501, "quantity")
        assert str(found.value).startswith("old.csv, line 1502, field 'quantity': ValueError: invalid literal")
        assert str(found.value).endswith("The rows up to 1,500 are imported; run it again, and it continues there.")
        assert found.value.until == 1_500 == len(await contents(app))
        write_csv(path, rows(1_503))  # mended
        assert (await run_import(app.store, lines_of(path))).rows == 3
        assert await quantities(app) == list(range(1, 1_504))


async def test_bad_rows_can_be_passed_over(store: StoreMaker, tmp_path: Path) -> None:
    path = write_csv(tmp_path / "old.csv", [("i1", "a", 1), ("i1", "b", "?"), ("i 2", "c", 3), ("i3", "d")])
    passed: list[Rejection] = []
    async with shop(store()) as app:
        report = await run_import(app.store, lines_of(path), on_error="skip", rejected=passed.append)
        assert await quantities(app) == [1]
        assert (await run_import(app.store, lines_of(path), on_error="skip")).rejected == 0
    assert (report.rows, report.events, report.rejected) == (4, 1, 3)
    assert [(one.row, one.line, one.field) for one in passed] == [(2, 3, "quantity"), (3, 4, None), (4, 5, None)]
    assert passed == report.rejections
    assert "cannot be a key" in passed[1].problem
    assert passed[2].fields == {"invoice": "i3", "item": "d"}
    assert "it has 2 values and there are 3 columns" in passed[2].problem


async def test_a_group_with_a_bad_row_is_passed_over_whole(tmp_path: Path) -> None:
    table = [("i1", "a", 1), ("i1", "b", "?"), ("i1", "c", 3), ("i2", "d", 4), ("i2", "e"), ("i3", "f", 5)]
    path = write_csv(tmp_path / "old.csv", table)
    async with shop("memory:") as app:
        report = await run_import(app.store, Import("x", CsvSource(path), invoice, "invoice"), on_error="skip")
        assert await quantities(app) == [5]
    assert [one.row for one in report.rejections] == [1, 2, 3, 4, 5]
    assert "its group has a bad row 2" in report.rejections[0].problem


async def test_a_row_that_cannot_be_read_spoils_the_groups_around_it(tmp_path: Path) -> None:
    path = tmp_path / "old.jsonl"
    path.write_text(
        '{"invoice":"i1","q":1}\n{"invoice":"i2","q":2}\n{\n{"invoice":"i3","q":3}\n{"invoice":"i4","q":4}\n'
    )

    def mapping(found: list[dict[str, Any]]) -> Iterator[Imported]:
        yield Imported("invoice-x", *(LineInvoiced(item="", quantity=row["q"]) for row in found))

    async with shop("memory:") as app:
        report = await run_import(app.store, Import("x", JsonLinesSource(path), mapping, "invoice"), on_error="skip")
        assert await quantities(app) == [1, 4]
    assert [one.row for one in report.rejections] == [2, 3, 4]


async def test_a_missing_column_is_never_passed_over(tmp_path: Path) -> None:
    path = tmp_path / "old.csv"
    path.write_text("invoice,item,amount\ni1,x,3\n")
    async with shop("memory:") as app:
        with pytest.raises(InvalidImport, match=r"field 'quantity': there is no such column. .* invoice, item, amount"):
            await run_import(app.store, lines_of(path), on_error="skip")


def bad(row: dict[str, str]) -> Any:
    return {"none": None, "text": ["x"], "event": [Imported("a-b", object())]}[row["item"]]


@pytest.mark.parametrize(
    ("item", "problem"),
    [
        ("none", "TypeError: 'NoneType' object is not iterable"),
        ("text", "the mapping gave str. It has to return or yield Imported"),
        ("event", "it is not registered"),
        ("other", "KeyError: 'other'"),
    ],
)
async def test_wrong_mappings_are_told(tmp_path: Path, item: str, problem: str) -> None:
    path = write_csv(tmp_path / "old.csv", [("i1", item, 1)])
    async with shop("memory:") as app:
        with pytest.raises(InvalidImport, match=problem):
            await run_import(app.store, Import("x", CsvSource(path), bad))


async def test_an_id_of_its_own_is_unique_in_the_import(store: StoreMaker, tmp_path: Path) -> None:
    def mapping(row: dict[str, str]) -> Imported:  # one alone need not be in a list
        return Imported("invoice-x", LineInvoiced(item="", quantity=int(row["quantity"])), id=row["invoice"])

    wrong: Any = mapping
    path = write_csv(tmp_path / "old.csv", [("a", "", 1), ("b", "", 2), ("a", "", 3), ("c", "", 4)])
    async with shop(store()) as app:
        with pytest.raises(InvalidImport, match=r"line 4: .* is stored already"):
            await run_import(app.store, Import("x", CsvSource(path), wrong))
        assert await quantities(app) == [1, 2]
        report = await run_import(app.store, Import("x", CsvSource(path), wrong), on_error="skip")
        assert await quantities(app) == [1, 2, 4]
        assert [one.row for one in report.rejections] == [3]


async def test_a_dry_run_stores_nothing(tmp_path: Path) -> None:
    path = write_csv(tmp_path / "old.csv", [*rows(2_000), ("i9", "x", "?")])
    async with shop("memory:") as app:
        report = await run_import(app.store, lines_of(path), dry_run=True, on_error="skip")
        assert (report.is_dry_run, report.rows, report.events, report.rejected) == (True, 2_001, 2_000, 1)
        assert await app.store.head() == await imported_rows(app.store, "old-shop") == 0
        with pytest.raises(InvalidImport, match="field 'quantity'") as found:
            await run_import(app.store, lines_of(path), dry_run=True)
        assert found.value.until is None


@pytest.mark.parametrize("change", ["a row", "fewer rows", "another order", "a column"])
async def test_a_changed_source_is_refused(store: StoreMaker, tmp_path: Path, change: str) -> None:
    table: list[Any] = rows(1_500)
    path = write_csv(tmp_path / "old.csv", table)
    async with shop(store()) as app:
        await run_import(app.store, lines_of(path))
        if change == "a row":
            table[1_200] = ("i401", "changed", 1_201)
        elif change == "fewer rows":
            del table[1_400:]
        elif change == "another order":
            table.reverse()
        write_csv(path, table)
        if change == "a column":
            path.write_text(path.read_text().replace("quantity", "quantities"))
        with pytest.raises(SourceChanged) as found:
            await run_import(app.store, lines_of(path))
        assert len(await contents(app)) == 1_500
    expected = {"a row": "its rows 1,001 to 1,500 are not those", "fewer rows": "it ends after row 1,400"}
    assert expected.get(change, "its rows 1 to 1,000 are not those") in str(found.value)
    assert "an import of another name" in str(found.value)


async def test_records_tell_where_they_come_from(tmp_path: Path) -> None:
    path = write_csv(tmp_path / "old.csv", rows(2))
    async with shop("memory:") as app:
        with metadata(actor="ann"):
            await run_import(app.store, lines_of(path))
        found = [record.metadata for record in await contents(app)]
    assert {(one.actor, one.correlation_id) for one in found} == {("ann", "import:old-shop")}
    assert [one.causation_id for one in found] == ["import:old-shop:1", "import:old-shop:2"]


async def test_progress_is_told(tmp_path: Path) -> None:
    path = write_csv(tmp_path / "old.csv", rows(2_500))
    told: list[ImportProgress] = []
    async with shop("memory:") as app:
        await run_import(app.store, lines_of(path), progress=told.append)
        assert [one.row for one in told] == [1_000, 2_000, 2_500]
        assert told[-1].events == 2_500
        assert all(0 < (one.share or 0) <= 1 for one in told)
        told.clear()
        await run_import(app.store, lines_of(path), progress=told.append)
        assert [(one.row, one.events, one.is_checking) for one in told[:-1]] == [
            (1_000, 0, True),
            (2_000, 0, True),
            (2_500, 0, True),
        ]


async def test_an_event_of_many_is_stored_in_one_piece(tmp_path: Path) -> None:
    def mapping(row: dict[str, str]) -> list[Imported]:
        events = [LineInvoiced(item="", quantity=number) for number in range(3 * MAX_EVENTS)]
        return [Imported(f"invoice-{row['invoice']}", *events), Imported("invoice-end", InvoiceBegun(lines=1))]

    path = write_csv(tmp_path / "old.csv", [("a", "", 1), ("b", "", 2)])
    engine = Watched()
    async with shop(engine) as app:
        assert (await run_import(app.store, Import("x", CsvSource(path), mapping))).events == 6_002
        assert len({record.recorded for record in (await contents(app))[:3_001]}) == 1
    assert engine.batches == [1, 1]


async def test_two_runs_at_once_import_nothing_twice(store: StoreMaker, tmp_path: Path) -> None:
    path = write_csv(tmp_path / "old.csv", rows(5_000))
    async with shop(store()) as one, shop(store()) as other:
        results = await asyncio.gather(
            *(run_import(app.store, lines_of(path)) for app in (one, other)), return_exceptions=True
        )
        problems = [str(result) for result in results if isinstance(result, InvalidImport)]
        await run_import(one.store, lines_of(path))
        assert await quantities(one) == list(range(1, 5_001))
    assert all("another run of the import 'old-shop'" in problem for problem in problems)


async def test_a_cancelled_import_continues(store: StoreMaker, tmp_path: Path) -> None:
    path = write_csv(tmp_path / "old.csv", rows(20_000))
    async with shop(store()) as app:
        begun = asyncio.Event()
        running = asyncio.create_task(
            run_import(
                app.store, lines_of(path), progress=lambda progress: begun.set() if progress.row > 3_000 else None
            )
        )
        await begun.wait()
        running.cancel()
        with pytest.raises(asyncio.CancelledError):
            await running
        reached = await imported_rows(app.store, "old-shop")
        assert 3_000 < reached < 20_000
        assert len(await contents(app)) == reached
        await run_import(app.store, lines_of(path))
        assert await quantities(app) == list(range(1, 20_001))


@pytest.mark.parametrize("error", [StoreFull("The disk is full."), OutcomeUnknown("Contact was lost.")])
async def test_a_store_that_fails_ends_it_and_it_continues(tmp_path: Path, error: Exception) -> None:
    path = write_csv(tmp_path / "old.csv", rows(2_500))
    engine = Watched()
    async with shop(engine) as app:
        engine.failures = [error]
        with pytest.raises(type(error)):
            await run_import(app.store, lines_of(path), on_error="skip")
        engine.late_failures = [OutcomeUnknown("Stored, and contact was lost.")]
        with pytest.raises(OutcomeUnknown):
            await run_import(app.store, lines_of(path))
        assert await imported_rows(app.store, "old-shop") == 1_000
        await run_import(app.store, lines_of(path))
        assert await quantities(app) == list(range(1, 2_501))


async def test_lost_marks_are_told(tmp_path: Path) -> None:
    path = write_csv(tmp_path / "old.csv", rows(5))
    async with shop("memory:") as app:
        await app.store.write(Write(checkpoints=(Checkpoint("import:old-shop", 5),)))
        with pytest.raises(SourceChanged, match="the store has lost the marks of those behind 0"):
            await run_import(app.store, lines_of(path))


@pytest.mark.parametrize("name", ["", "a\nb", "x" * 101])
def test_an_import_needs_a_name(name: str) -> None:
    with pytest.raises(DefinitionError, match="name of an import"):
        lines_of(Path("old.csv"), name)


def test_an_import_needs_a_mapping() -> None:
    nothing: Any = None
    with pytest.raises(DefinitionError, match="needs a function"):
        Import("x", CsvSource("old.csv"), nothing)


def test_what_is_imported_can_be_read() -> None:
    assert (
        repr(Imported("a-b", LineInvoiced(item="x", quantity=1)))
        == "Imported('a-b', LineInvoiced(item='x', quantity=1))"
    )


@needs_retail
async def test_a_real_file_of_invoices(tmp_path: Path) -> None:
    def mapping(found: list[dict[str, str]]) -> Iterator[Imported]:
        lines = [LineInvoiced(item=row["StockCode"], quantity=int(row["Quantity"])) for row in found]
        yield Imported(f"invoice-{found[0]['InvoiceNo']}", *lines)

    with RETAIL.open(newline="", encoding="utf-8") as file:
        expected = Counter((row["InvoiceNo"], row["StockCode"], row["Quantity"]) for row in csv.DictReader(file))
    assert max(expected.values()) >= 1
    async with shop(str(tmp_path / "shop.db")) as app:
        imported = Import("retail", CsvSource(RETAIL), mapping, "InvoiceNo")
        assert (await run_import(app.store, imported)).events == 5_000
        assert (await run_import(app.store, imported)).events == 0
        found = Counter(
            [
                (record.key, event.item, str(event.quantity))
                async for event, record in app.store.read()
                if isinstance(event, LineInvoiced)
            ]
        )
    assert found == expected


async def test_rows_of_a_table(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'old.db'}"
    engine = sql.create_engine(url)
    with engine.begin() as connection:
        connection.execute(sql.text("CREATE TABLE lines (id INTEGER PRIMARY KEY, invoice TEXT, item TEXT, quantity)"))
        old = [{"invoice": f"i{number}", "quantity": number} for number in range(1, 2_501)]
        connection.execute(sql.text("INSERT INTO lines VALUES (NULL, :invoice, 'x', :quantity)"), old)
    engine.dispose()
    async with shop("memory:") as app:
        table = Import("old-shop", TableSource(url, "lines"), line)
        assert (await run_import(app.store, table)).rows == 2_500
        assert (await run_import(app.store, table)).rows == 0
        assert await quantities(app) == list(range(1, 2_501))
        with pytest.raises(InvalidImport, match=r"no such column\. The source has id, invoice, item, quantity"):
            await run_import(app.store, Import("x", TableSource(url, "lines"), lambda row: row["nothing"]))
