"""``everfold export`` and ``everfold restore``: a store into a file and back."""

import json
from pathlib import Path

import pytest

from everfold.cli import output, rate_bar
from tests.cli.conftest import Invoke


def read(invoke: Invoke, store: object) -> str:
    return invoke("events", "read", "--json", "--store", store).stdout


@pytest.mark.parametrize("name", ["bank.jsonl", "bank.jsonl.gz"])
def test_a_store_comes_back(invoke: Invoke, bank: Path, name: str) -> None:
    exported = invoke("export", name, "--store", bank)
    assert (exported.exit_code, exported.stderr) == (0, "")
    assert exported.stdout.startswith(f"{name}: positions 1 to 4, 4 events in ")
    restored = invoke("restore", name, "--store", "again.db")
    assert restored.exit_code == 0
    assert restored.stdout.startswith("again.db: 4 events in ")
    assert restored.stdout.endswith("0 replies, 0 checkpoints; it ends at position 4\n")
    assert read(invoke, "again.db") == read(invoke, bank) != ""
    assert "0 events in" in (again := invoke("restore", name, "--store", "again.db").stdout)
    assert "behind 4 that were there" in again


def test_json_has_the_documented_shape(invoke: Invoke, bank: Path) -> None:
    exported = json.loads(invoke("export", "bank.jsonl", "--store", bank, "--json").stdout)
    assert (exported.pop("seconds") > 0, len(exported.pop("sha256"))) == (True, 64)
    assert exported == {
        "file": "bank.jsonl",
        "after": 0,
        "head": 4,
        "records": 4,
        "replies": 0,
        "checkpoints": 0,
    }
    restored = json.loads(invoke("restore", "bank.jsonl", "--store", "again.db", "--json").stdout)
    assert restored.pop("seconds") > 0
    assert restored == {
        "file": "bank.jsonl",
        "head": 4,
        "records_before": 0,
        "records": 4,
        "replies": 0,
        "checkpoints": 0,
    }


def test_through_a_pipe(invoke: Invoke, bank: Path) -> None:
    exported = invoke("export", "-", "--store", bank)
    assert [json.loads(line)["kind"] for line in exported.stdout.splitlines()] == [
        "everfold-export",
        *["record"] * 4,
        "end",
    ]
    assert "4 events" in exported.stderr
    assert invoke("restore", "-", "--store", "again.db", input=exported.stdout_bytes).exit_code == 0
    assert read(invoke, "again.db") == read(invoke, bank)


def test_in_two_parts(invoke: Invoke, bank: Path) -> None:
    invoke("export", "all.jsonl", "--store", bank)
    invoke("export", "rest.jsonl", "--store", bank, "--after", 4)
    invoke("restore", "all.jsonl", "--store", "again.db")
    assert invoke("restore", "rest.jsonl", "--store", "again.db").exit_code == 0
    refused = invoke("restore", "rest.jsonl", "--store", "empty.db")
    assert refused.exit_code == 1
    assert "continues a store that ends at position 4" in refused.stderr
    assert "[restore-refused]" in refused.stderr


def test_what_cannot_be(invoke: Invoke, bank: Path, folder: Path) -> None:
    assert "There is no store" in invoke("export", "x.jsonl", "--store", "nothing.db").stderr
    assert "The log ends at position 4" in invoke("export", "x.jsonl", "--store", bank, "--after", 5).stderr
    assert not (folder / "x.jsonl").exists()
    refused = invoke("export", "no/folder/x.jsonl", "--store", bank)
    assert "no/folder/x.jsonl cannot be written: No such file" in refused.stderr
    assert "would be gone" in invoke("restore", "x.jsonl", "--store", "memory:").stderr
    assert "x.jsonl: cannot be read: No such file" in invoke("restore", "x.jsonl", "--store", "y.db").stderr
    assert "[invalid-export]" in invoke("restore", bank, "--store", "y.db").stderr


def test_a_bar_on_terminals(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr("sys.stderr.isatty", lambda: True, raising=False)
    monkeypatch.setattr(output, "is_quiet", lambda: False)
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("COLUMNS", "120")
    with rate_bar.rate_bar("importing", "rows") as advance:
        advance(500, None)
        advance(500, 0.5)
    assert "1,000" in capsys.readouterr().err
