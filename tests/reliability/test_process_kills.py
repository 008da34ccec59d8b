"""Processes killed with SIGKILL while 16 writers append: nothing acknowledged is lost, nothing is half there."""

import random
from collections import deque
from pathlib import Path

from tests.reliability.evidence import Evidence, check_store
from tests.reliability.processes import Process

KILLS = 52
PREPARED = 3
SHARED_KILLS = 6


async def test_no_acknowledged_append_is_lost_when_the_process_is_killed(tmp_path: Path) -> None:
    """Promise 1 (A1, A2, A4, A5, A6): one file lives through all the kills, and recovers from most of them unseen."""
    chance, evidence, store = random.Random(20), Evidence(), tmp_path / "log.db"
    names = iter(range(KILLS))
    waiting = deque(Process("endless", store, f"p{next(names)}") for _ in range(PREPARED))  # starting takes a while
    for kill in range(KILLS):
        with waiting.popleft() as process:
            process.until("ready")
            process.go()
            process.until("stored")
            process.kill_after(chance.uniform(0.005, 0.06))
            evidence.add(process.listen_to_the_end())
        if (name := next(names, None)) is not None:
            waiting.append(Process("endless", store, f"p{name}"))
        if kill % 5 == 1 or kill == KILLS - 1:
            await check_store(store, evidence)
    assert evidence.errors == []
    assert len(evidence.stored) > KILLS * 5
    assert evidence.refused


async def test_others_go_on_when_a_process_is_killed(tmp_path: Path) -> None:
    """Promises 1 and 4 (A1, A6): a killed process takes neither its locks nor anybody's records with it."""
    chance, evidence, store = random.Random(21), Evidence(), tmp_path / "log.db"
    with Process("endless", store, "survivor") as survivor:
        survivor.until("ready")
        survivor.go()
        survivor.until("stored")
        for kill in range(SHARED_KILLS):
            with Process("endless", store, f"p{kill}") as process:
                process.until("ready")
                process.go()
                process.until("stored")
                process.kill_after(chance.uniform(0.005, 0.06))
                evidence.add(process.listen_to_the_end())
            for _ in range(3):
                survivor.until("stored")
        survivor.kill_after(0)
        evidence.add(survivor.listen_to_the_end())
    assert evidence.errors == []
    await check_store(store, evidence)
