"""``everfold import``: from a mapping of one's own; reports, bad rows, interruption."""

import json
import signal
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cli.conftest import Invoke, everfold

MODULE = """
import time
from everfold import App, Event
from everfold.migration.csv_source import CsvSource
from everfold.migration.mapping import Import, Imported

class LineInvoiced(Event):
    item: str
    quantity: int

app = App("shop", events=[LineInvoiced])

def line(row):
    yield Imported(f"invoice-{row['invoice']}", LineInvoiced(item=row["item"], quantity=int(row["quantity"])))

def slow(row):
    time.sleep(0.0005)
    return line(row)

old = Import("old-shop", CsvSource("old.csv"), line)
slowly = Import("old-shop", CsvSource("old.csv"), slow)
"""
NAME = "everfold_old_shop"


@pytest.fixture
def shop(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """The folder of an application, with three old rows; the name of its module."""
    (folder / f"{NAME}.py").write_text(MODULE)
    write(folder / "old.csv", 3)
    monkeypatch.setenv("EVERFOLD_APP", f"{NAME}:app")
    yield NAME
    sys.modules.pop(NAME, None)
    sys.path[:] = [path for path in sys.path if path != str(folder)]


def write(path: Path, count: int, *, begin: int = 1, bad: int | None = None) -> None:
    lines = [f"i{number},x,{'?' if number == bad else number}\n" for number in range(begin, begin + count)]
    path.write_text("invoice,item,quantity\n" + "".join(lines))


def test_it_imports_and_tells(invoke: Invoke, shop: str, folder: Path) -> None:
    result = invoke("import", f"{shop}:old")
    assert (result.exit_code, result.stderr) == (0, "")
    assert "old-shop: imported from old.csv\n  3 new rows in " in result.stdout
    assert "line-invoiced      3\n" in result.stdout
    assert invoke("events", "read", "--json", "--store", folder / "shop.db").stdout.count("\n") == 3
    write(folder / "old.csv", 5)
    assert "2 new rows" in (again := invoke("import", f"{shop}:old").stdout)
    assert ", behind 3 of earlier runs" in again


def test_json_has_the_documented_shape(invoke: Invoke, shop: str) -> None:
    report = json.loads(invoke("import", f"{shop}:old", "--json").stdout)
    assert report.pop("seconds") > 0
    assert report == {
        "name": "old-shop",
        "source": "old.csv",
        "is_dry_run": False,
        "rows_before": 0,
        "rows": 3,
        "events": 3,
        "events_by_type": {"line-invoiced": 3},
        "rejected": 0,
        "rejections": [],
    }


def test_a_dry_run_makes_no_store(invoke: Invoke, shop: str, folder: Path) -> None:
    result = invoke("import", f"{shop}:old", "--dry-run")
    assert "would be imported from old.csv" in result.stdout
    assert not (folder / "shop.db").exists()
    invoke("import", f"{shop}:old")
    write(folder / "old.csv", 7)
    report = json.loads(invoke("import", f"{shop}:old", "--dry-run", "--json").stdout)
    assert (report["rows_before"], report["rows"]) == (3, 4)
    assert invoke("events", "read", "--json", "--store", "shop.db").stdout.count("\n") == 3


def test_the_source_can_be_given(invoke: Invoke, shop: str, folder: Path) -> None:
    write(folder / "other.csv", 2)
    assert json.loads(invoke("import", f"{shop}:old", "other.csv", "--json").stdout)["rows"] == 2
    result = invoke("import", f"{shop}:old", "nowhere.csv")
    assert result.exit_code == 1
    assert "nowhere.csv: cannot be read: No such file" in result.stderr


def test_a_bad_row_is_one_sentence(invoke: Invoke, shop: str, folder: Path) -> None:
    write(folder / "old.csv", 3, bad=2)
    result = invoke("import", f"{shop}:old")
    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr == (
        "error: old.csv, line 3, field 'quantity': ValueError: invalid literal for int() with base 10: '?' "
        "(it is '?'). The rows up to 1 are imported; run it again, and it continues there. [invalid-import]\n"
    )


def test_bad_rows_can_be_passed_over_and_kept(invoke: Invoke, shop: str, folder: Path) -> None:
    write(folder / "old.csv", 3, bad=2)
    result = invoke("import", f"{shop}:old", "--skip-bad-rows", "--rejects", "bad.jsonl")
    assert result.exit_code == 0
    assert "1 bad rows were passed over" in result.stdout
    assert "passed over line 3, field 'quantity'" in result.stderr
    (rejected,) = map(json.loads, (folder / "bad.jsonl").read_text().splitlines())
    assert rejected["fields"] == {"invoice": "i2", "item": "x", "quantity": "?"}
    assert (rejected["row"], rejected["line"], rejected["field"]) == (2, 3, "quantity")


def test_rejects_are_for_rows_that_are_passed_over(invoke: Invoke, shop: str) -> None:
    assert invoke("import", f"{shop}:old", "--rejects", "bad.jsonl").exit_code == 2
    result = invoke("import", f"{shop}:old", "--skip-bad-rows", "--rejects", "no/folder/bad.jsonl")
    assert result.exit_code == 1
    assert "--rejects no/folder/bad.jsonl cannot be written" in result.stderr


def test_a_changed_source_is_refused(invoke: Invoke, shop: str, folder: Path) -> None:
    invoke("import", f"{shop}:old")
    write(folder / "old.csv", 3, begin=2)
    result = invoke("import", f"{shop}:old")
    assert result.exit_code == 1
    assert "its rows 1 to 3 are not those that were imported" in result.stderr
    assert "[source-changed]" in result.stderr


@pytest.mark.parametrize(
    ("named", "problem"),
    [
        (NAME, "does not name an import. It has the form MODULE:NAME"),
        (f"{NAME}:odl", "no such name in the module. Did you mean 'old'?"),
        (f"{NAME}:app", "is not an import: it is of type App. It has old, slowly."),
        ("everfold_nothing:old", "There is no module 'everfold_nothing' here"),
        ("a b:old", "does not name an import"),
    ],
)
def test_an_import_that_is_not_there(invoke: Invoke, shop: str, named: str, problem: str) -> None:
    assert shop
    result = invoke("import", named)
    assert (result.exit_code, "[configuration-error]" in result.stderr) == (1, True)
    assert problem in result.stderr


def test_a_bug_in_the_users_module_is_told(invoke: Invoke, shop: str, folder: Path) -> None:
    assert shop
    (folder / "everfold_broken.py").write_text("import everfold_not_installed")
    assert "No module named 'everfold_not_installed'" in invoke("import", "everfold_broken:old").stderr


@pytest.mark.skipif(sys.platform == "win32", reason="signals are sent")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_import_says_where_it_got_to(
    invoke: Invoke, shop: str, folder: Path, number: signal.Signals
) -> None:
    write(folder / "old.csv", 20_000)
    with everfold("import", f"{shop}:slowly", "--app", f"{shop}:app", cwd=folder) as importing:
        while not (folder / "shop.db").exists() or not invoke("events", "tail", "--store", "shop.db").stdout:
            assert importing.poll() is None
        importing.send_signal(number)
        out, err = importing.communicate(timeout=30)
    assert (importing.returncode, out) == (130, "")
    assert err.startswith("Stopped. The rows up to ")
    reached = int(err.split()[5].replace(",", ""))
    assert 0 < reached < 20_000
    report = json.loads(invoke("import", f"{shop}:old", "--json").stdout)
    assert (report["rows_before"], report["rows"]) == (reached, 20_000 - reached)
