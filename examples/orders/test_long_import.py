"""Long imports, on files that are made up: one that is interrupted goes on, and the length does not cost memory."""

import json
import subprocess
import sys
from pathlib import Path

import msgspec
import pytest

from everfold import App
from everfold.migration.csv_source import CsvSource
from everfold.migration.import_report import ImportProgress
from everfold.migration.imports import run_import
from examples.orders.app import orders_app
from examples.orders.history import HISTORY
from examples.orders.import_retail import take_over
from examples.orders.made_up_invoices import Written, write
from examples.orders.sales_views import GetSalesTotals

ROOT = Path(__file__).parents[2]
MORE_MEMORY = 45_000_000
"""Bytes, for 60,000 more lines: the caches of SQLite fill up. To keep these lines as well would take 65,000,000."""


class Interrupted(Exception):
    """The power went out."""


def interrupt(progress: ImportProgress) -> None:
    if progress.row:
        raise Interrupted


async def figures(app: App) -> tuple[int, ...]:
    totals = await app.ask(GetSalesTotals())
    return (totals.orders, totals.cancellations, totals.quantity, int(totals.net * 100))


def expected(written: Written) -> tuple[int, ...]:
    return (written.orders, written.cancellations, written.quantity, int(written.net * 100))


async def test_an_import_that_was_interrupted_goes_on(tmp_path: Path) -> None:
    file, store = tmp_path / "invoices.csv", str(tmp_path / "orders.db")
    written = write(file, 25_000)
    history = msgspec.structs.replace(HISTORY, source=CsvSource(file))
    async with orders_app(store) as app:
        with pytest.raises(Interrupted):
            await run_import(app.store, history, progress=interrupt)
    async with orders_app(store) as app:
        report = await take_over(app, file)
        assert 0 < report.rows_before < 25_000
        assert report.rows_before + report.rows == 25_000
        assert await figures(app) == expected(written)
        assert (await app.projections.compare("sales")).is_same


async def test_invoices_that_came_later_are_added(tmp_path: Path) -> None:
    file, later = tmp_path / "invoices.csv", tmp_path / "later.csv"
    written, more = write(file, 2_000), write(later, 500, seed=2, first_number=600_000)
    async with orders_app(str(tmp_path / "orders.db")) as app:
        await take_over(app, file)
        assert await figures(app) == expected(written)
        lines = later.read_text(encoding="utf-8").partition("\n")[2]
        with file.open("a", newline="", encoding="utf-8") as grown:
            grown.write(lines)
        report = await take_over(app, file)
        assert (report.rows_before, report.rows) == (2_000, 500)
        sums = [a + b for a, b in zip(expected(written), expected(more), strict=True)]
        assert await figures(app) == tuple(sums)


def peak_memory(lines: int) -> int:
    """Bytes that an import of so many lines needs at most, in a process of its own."""
    command = [sys.executable, "-m", "examples.orders.measure_import", str(lines)]
    done = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True)  # noqa: S603
    measured = json.loads(done.stdout)
    assert measured["lines"] == lines
    return int(measured["peak_memory"])


@pytest.mark.skipif(sys.platform == "win32", reason="the peak is asked of the operating system")
def test_memory_does_not_grow_with_the_file() -> None:
    assert peak_memory(90_000) - peak_memory(30_000) < MORE_MEMORY
