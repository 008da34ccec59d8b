"""An import that is killed with SIGKILL at random moments and run again: nothing lost, nothing twice."""

import random
import subprocess
import sys
import time
from pathlib import Path

import pytest

from everfold.migration.imports import run_import
from tests.app.stores import contents
from tests.migration.shop import lines_of, quantities, rows, shop, write_csv
from tests.reliability.processes import ROOT, unmeasured

ROWS = 30_000
KILLS = 6


def kill_one(source: Path, store: str, reached: int, seconds: float) -> list[int]:
    """Start an import and kill it some time after it told of new rows; what it told since."""
    command = [sys.executable, "-m", "tests.migration.import_process", str(source), store]
    with subprocess.Popen(command, cwd=ROOT, env=unmeasured(), stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout
        for line in process.stdout:
            if int(line) > reached:
                break
        time.sleep(seconds)
        process.kill()
        return [int(line) for line in process.stdout if line.endswith("\n")]


@pytest.mark.skipif(sys.platform == "win32", reason="processes are killed by a signal")
async def test_a_killed_import_continues(tmp_path: Path) -> None:
    source, store = write_csv(tmp_path / "old.csv", rows(ROWS)), str(tmp_path / "shop.db")
    chance, reached = random.Random(4), 0
    for _ in range(KILLS):
        told = kill_one(source, store, reached, chance.uniform(0, 0.08))
        async with shop(store) as app:
            found = await quantities(app)
        assert found == list(range(1, len(found) + 1))
        assert len(found) >= max(told, default=reached)
        reached = len(found)
    assert reached > 0
    async with shop(store) as app:
        report = await run_import(app.store, lines_of(source))
        assert report.rows_before == reached
        assert await quantities(app) == list(range(1, ROWS + 1))
        assert len({record.id for record in await contents(app)}) == ROWS
