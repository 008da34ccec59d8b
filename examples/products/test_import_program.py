"""The import as its users run it: what they are told when the folder is not the right one."""

import subprocess
import sys
from pathlib import Path

from examples.products.adventureworks import FILES

ROOT = Path(__file__).parents[2]


def run(*arguments: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "examples.products.import_adventureworks", *map(str, arguments)]
    return subprocess.run(command, cwd=ROOT, check=False, capture_output=True, text=True)  # noqa: S603


def test_it_explains_itself() -> None:
    told = run("--help")
    assert told.returncode == 0
    for word in ("FOLDER", "STORE", "products.db", "goes on where it was", "purchase_order_header.csv.gz"):
        assert word in told.stdout


def test_no_store_is_made_for_a_folder_that_lacks_files(tmp_path: Path) -> None:
    (tmp_path / FILES[0]).touch()
    told = run(tmp_path, tmp_path / "products.db")
    assert (told.returncode, [path.name for path in tmp_path.iterdir()]) == (2, [FILES[0]])
    assert f"has no {FILES[1]}, {FILES[2]}" in told.stderr


def test_errors_are_said_in_a_sentence(tmp_path: Path) -> None:
    for name in FILES:
        (tmp_path / name).write_text("a,b\n1,2\n", encoding="utf-8")
    told = run(tmp_path, tmp_path / "products.db")
    assert told.returncode == 1
    assert "product.csv.gz" in told.stderr
    assert "there is no such column. The source has a, b" in told.stderr
    assert "Traceback" not in told.stderr
