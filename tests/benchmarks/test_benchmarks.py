"""The benchmarks run: every work, once, on tiny counts. Nothing is said about time here."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from benchmarks.payload import METADATA_JSON, OPENED_JSON
from benchmarks.report import at_least, at_most, compare, percentile_99, render
from tests.postgres.programs import postgres

ROOT = Path(__file__).parents[2]
TABLES = {
    "append",
    "catch-up",
    "commands",
    "commands and an inline projection",
    "commands during a rebuild",
    "lag",
    "memory",
    "one command",
    "process",
    "query",
    "read",
    "rebuild",
    "replay",
}
POSTGRES_TABLES = {
    "append to PostgreSQL",
    "catch-up",
    "commands on PostgreSQL",
    "lag to another process",
    "one command on PostgreSQL",
    "read from PostgreSQL",
    "replay",
}


def run(folder: Path, *, on_postgres: bool) -> Any:
    """What the benchmarks report of all works on PostgreSQL, or of all others."""
    pytest.importorskip("eventsourcing", reason="the peer is a dependency of the benchmarks only")
    from benchmarks.__main__ import WORKS

    works = [work for work in WORKS if work.startswith("postgres_") == on_postgres]
    chosen = [argument for work in works for argument in ("--only", work)]
    command = [sys.executable, "-m", "benchmarks", "--quick", "--json", "--dir", str(folder), *chosen]
    ended = subprocess.run(command, cwd=ROOT, env={**os.environ}, capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stderr
    report = json.loads(ended.stdout)
    assert report["machine"]["fsync_ms"] > 0
    assert list(folder.iterdir()) == []
    return report


def found(tables: set[str], report: Any) -> set[str]:
    return {each for each in tables if any(table["work"].startswith(each) for table in report["tables"])}


def test_every_work_runs(tmp_path: Path) -> None:
    report = run(tmp_path, on_postgres=False)
    assert found(TABLES, report) == TABLES


def test_every_work_runs_on_postgres(tmp_path: Path) -> None:
    postgres()  # skips, or fails where it is required
    report = run(tmp_path, on_postgres=True)
    assert found(POSTGRES_TABLES, report) == POSTGRES_TABLES


def test_events_have_the_size_that_the_design_speaks_of() -> None:
    assert len(OPENED_JSON) == 150
    assert 100 < len(METADATA_JSON) < 200


def test_compares_the_first_side_with_the_others() -> None:
    table = compare(
        "work",
        "events/s",
        {"everfold": [90.0, 100.0, 900.0], "raw": [200.0], "peer": [10.0]},
        targets={"raw": at_least(0.6), "peer": at_least(10)},
    )
    everfold, raw, peer = table.lines
    assert (everfold.value, everfold.ratio, everfold.is_met) == (100.0, None, None)
    assert (raw.ratio, raw.target, raw.is_met) == (0.5, ">= 0.6", False)
    assert (peer.ratio, peer.is_met) == (10.0, True)
    assert "MISSED" in render(table)


def test_a_target_may_be_a_ceiling_for_the_own_figure() -> None:
    (line,) = compare("import", "ms", {"everfold": [101.0]}, targets={"everfold": at_most(100)}).lines
    assert line.is_met is False


def test_percentile() -> None:
    assert percentile_99([*range(101)]) == 99
