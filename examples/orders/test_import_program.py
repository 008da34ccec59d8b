"""The import as its users run it: what they are told, of what went well and of what did not."""

import csv
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from everfold import App, Projection, project
from everfold.errors import ConfigurationError, InvalidImport, ReadModelBehind
from examples.orders.app import orders_app
from examples.orders.domain import Order
from examples.orders.history import COLUMNS, OrderTakenOver
from examples.orders.import_retail import main, take_over
from examples.orders.made_up_invoices import write
from examples.orders.sales_views import GetSalesTotals, Sales

ROOT = Path(__file__).parents[2]
LINE = ("536552", "20950", "CUP", "3", "2010-12-01 14:34:00", "2.10", "13579.0", "France")


def run(*arguments: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "examples.orders.import_retail", *map(str, arguments)]
    return subprocess.run(command, cwd=ROOT, check=False, capture_output=True, text=True)  # noqa: S603


def invoices(
    path: Path, lines: Sequence[Sequence[str]], columns: Sequence[str] = COLUMNS, encoding: str = "utf-8"
) -> Path:
    with path.open("w", newline="", encoding=encoding) as file:
        csv.writer(file).writerows([columns, *lines])
    return path


def test_it_explains_itself() -> None:
    told = run("--help")
    assert told.returncode == 0
    for word in ("FILE", "STORE", "orders.db", "--encoding", "goes on where it was", "InvoiceNo"):
        assert word in told.stdout


def test_no_store_is_made_for_a_file_that_is_not_there(tmp_path: Path) -> None:
    told = run(tmp_path / "missing.csv", tmp_path / "orders.db")
    assert (told.returncode, list(tmp_path.iterdir())) == (2, [])
    assert "there is no file" in told.stderr


def test_errors_are_said_in_a_sentence(tmp_path: Path) -> None:
    store = tmp_path / "orders.db"
    told = run(invoices(tmp_path / "bad.csv", [LINE, LINE[:2]]), store)
    assert (told.returncode, told.stdout) == (1, "")
    assert told.stderr.startswith("bad.csv, line 3: it has 2 values and there are 8 columns.")
    assert "Traceback" not in told.stderr
    assert "there is no encoding 'klingon'" in run(tmp_path / "bad.csv", store, "--encoding", "klingon").stderr


async def test_a_file_of_another_encoding_needs_a_word(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = invoices(tmp_path / "old.csv", [[*LINE[:2], "CAFÉ CUP", *LINE[3:]]], encoding="cp1252")
    store = str(tmp_path / "orders.db")
    with pytest.raises(InvalidImport, match="line 2: it has bytes that are not utf-8"):
        await main(file, store)
    with pytest.raises(ConfigurationError, match="no encoding 'klingon'"):
        await main(file, store, encoding="klingon")
    await main(file, store, encoding="cp1252")
    printed = capsys.readouterr().out
    assert "1 new lines" in printed
    assert "CAFÉ CUP (6.30)" in printed


@pytest.mark.parametrize(
    ("lines", "columns", "problem"),
    [
        ([["1", "2"]], ["a", "b"], "no field 'InvoiceNo'"),
        ([LINE[:7]], COLUMNS[:7], "field 'Country': there is no such column. The source has InvoiceNo"),
        ([[*LINE[:3], "three", *LINE[4:]]], COLUMNS, "line 2, field 'Quantity'"),
        ([[*LINE[:4], "1/12/2010 14:34", *LINE[5:]]], COLUMNS, "line 2, field 'InvoiceDate'"),
        ([[*LINE[:5], "NaN", *LINE[6:]]], COLUMNS, "line 2: .*NaN is not a number"),
    ],
    ids=["other columns", "no country", "no number", "no date", "no price"],
)
async def test_a_bad_line_is_told_by_its_field(
    tmp_path: Path, lines: list[Sequence[str]], columns: Sequence[str], problem: str
) -> None:
    with pytest.raises(InvalidImport, match=problem):
        await main(invoices(tmp_path / "bad.csv", lines, columns), str(tmp_path / "orders.db"))


async def test_a_mended_file_is_imported_from_there_on(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    good, bad, mended = [("1", *LINE[1:]), ("2", *LINE[1:])], ("3", "20950"), ("3", *LINE[1:])
    store = str(tmp_path / "orders.db")
    with pytest.raises(InvalidImport, match="The rows up to 2 are imported"):
        await main(invoices(tmp_path / "file.csv", [*good, bad]), store)
    await main(invoices(tmp_path / "file.csv", [*good, mended]), store)
    printed = capsys.readouterr().out
    assert "1 new lines and 2 old ones" in printed
    assert "3 invoices: 3 orders" in printed


class Picky(Projection):
    """Fails on invoices of one country."""

    @project
    def taken_over(self, event: OrderTakenOver) -> None:
        if event.country == "EIRE":
            raise ValueError("Ireland is called Ireland")


async def test_it_says_what_no_read_model_shows(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = invoices(tmp_path / "old.csv", [("1", *LINE[1:]), ("2", *LINE[1:7], "EIRE"), ("3", *LINE[1:])])
    async with App("shop", Order, Sales, Picky, store="memory:") as app:
        await take_over(app, file)
        assert (await app.ask(GetSalesTotals())).orders == 3
    assert "1 events are not in 'picky'; see: everfold parked list" in capsys.readouterr().err


@pytest.fixture
def shop(tmp_path: Path) -> App:
    """The application with a store of its own."""
    return orders_app(str(tmp_path / "orders.db"))


async def test_it_does_not_wait_for_read_models_that_are_paused(shop: App, tmp_path: Path) -> None:
    write(tmp_path / "invoices.csv", 100)
    async with shop as app:
        await app.projections.pause("sales", reason="for a test")
        with pytest.raises(ReadModelBehind, match="everfold projections resume sales"):
            await take_over(app, tmp_path / "invoices.csv")
        await app.projections.resume("sales")
        assert (await take_over(app, tmp_path / "invoices.csv")).rows_before == 100
