"""SQL files: named statements, and upgrade scripts without gaps."""

import sys
from pathlib import Path

import pytest

from everfold.engines.statements import load_statements, load_upgrades


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A package with an empty folder of upgrades."""
    folder = tmp_path / "sqlpackage"
    (folder / "upgrades").mkdir(parents=True)
    (folder / "__init__.py").touch()
    monkeypatch.setattr(sys, "path", [str(tmp_path), *sys.path])
    monkeypatch.delitem(sys.modules, "sqlpackage", raising=False)
    return folder


def test_statements_are_found_by_name(package: Path) -> None:
    (package / "statements.sql").write_text(
        "-- What this file is.\n\n-- first: does it\nSELECT 1;\n\n-- second_one: more\nSELECT a -- inner: no\nFROM b;\n"
    )
    assert load_statements("sqlpackage") == {"first": "SELECT 1", "second_one": "SELECT a -- inner: no\nFROM b"}


def test_upgrades_come_in_the_order_of_their_numbers(package: Path) -> None:
    for name in ("0002_b.sql", "0001_a.sql", "notes.txt", "0003_c.sql"):
        (package / "upgrades" / name).write_text(name)
    assert load_upgrades("sqlpackage") == ["0001_a.sql", "0002_b.sql", "0003_c.sql"]


def test_a_gap_between_upgrades_is_an_error(package: Path) -> None:
    for name in ("0001_a.sql", "0003_c.sql"):
        (package / "upgrades" / name).touch()
    with pytest.raises(ValueError, match="gap before 0003_c"):
        load_upgrades("sqlpackage")
