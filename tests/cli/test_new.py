"""``everfold new``: the project it writes runs, and its tests pass."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.cli.conftest import Invoke

FILES = {
    ".gitignore",
    "README.md",
    "everfold.toml",
    "pyproject.toml",
    "my_shop/__init__.py",
    "my_shop/__main__.py",
    "my_shop/app.py",
    "my_shop/domain.py",
    "my_shop/stock.py",
    "tests/test_item.py",
    "tests/test_stock.py",
}


SAID = "6 left, at version 2 of item-tea\nStock(item_id='tea', count=6, shipped=4)\n"


def python(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("EVERFOLD_", "PYTEST"))}
    command = [sys.executable, *arguments]
    return subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True, check=False, timeout=120
    )


def test_the_project_runs_and_its_tests_pass(invoke: Invoke, folder: Path) -> None:
    result = invoke("new", "my-shop")
    assert result.exit_code == 0
    project = folder / "my-shop"
    assert {path.relative_to(project).as_posix() for path in project.rglob("*") if path.is_file()} == FILES
    assert "python -m my_shop" in result.stderr
    assert not any("__project__" in path.read_text() for path in project.rglob("*") if path.is_file())

    ran = python(project, "-m", "my_shop")
    assert (ran.returncode, ran.stdout, ran.stderr) == (0, SAID, "")
    tested = python(project, "-m", "pytest", "-q", "-p", "no:cacheprovider")
    assert tested.returncode == 0, tested.stdout
    assert "4 passed" in tested.stdout
    command = ["-c", "from everfold.cli.main import main; main()"]
    assert "item-tea" in python(project, *command, "events", "tail").stdout
    assert "count  10" in python(project, *command, "state", "item", "tea", "--at", "1").stdout
    assert "tea          6        4" in python(project, *command, "query", "list-stock").stdout
    assert "shelf       async" in python(project, *command, "projections", "list").stdout
    assert "App my_shop" in python(project, *command, "describe").stdout


def test_nothing_is_overwritten(invoke: Invoke, folder: Path) -> None:
    (folder / "shop").mkdir()
    (folder / "shop" / "mine.txt").write_text("mine")
    result = invoke("new", "shop")
    assert result.exit_code == 1
    assert "Nothing was written" in result.stderr
    assert [path.name for path in (folder / "shop").iterdir()] == ["mine.txt"]


def test_an_empty_folder_is_fine(invoke: Invoke, folder: Path) -> None:
    (folder / "shop").mkdir()
    assert invoke("new", "shop", "--quiet").stderr == ""


@pytest.mark.parametrize("name", ["2shops", "class", "läden", "json", "everfold", "a/b!"])
def test_names_that_cannot_be(invoke: Invoke, folder: Path, name: str) -> None:
    result = invoke("new", name)
    assert result.exit_code == 1
    assert "[configuration-error]" in result.stderr
    assert list(folder.iterdir()) == []
