"""Promise 6: processes that project are killed with SIGKILL at any moment, and every read model is the fold of the log.

``EVERFOLD_PROJECTION_KILLS``: how often to kill. ``EVERFOLD_KILL_SEED``: at other moments.
"""

import os
import random
from collections import Counter
from collections.abc import Callable, Generator, Mapping
from pathlib import Path
from typing import Any

import pytest

from tests.reliability.read_side.examination import Examiner
from tests.reliability.read_side.forks import Forks, forking, patiently
from tests.reliability.read_side.ledger import FOLDS
from tests.reliability.read_side.phases import Phase, Phases, killed

KILLS = int(os.environ.get("EVERFOLD_PROJECTION_KILLS", "50"))
SEED = os.environ.get("EVERFOLD_KILL_SEED", "1")
DECISIVE = (
    "UPDATE everfold_consumers SET position",
    "UPDATE everfold_consumers SET state",
    "INSERT INTO everfold_parked",
    "CREATE VIEW",
    "DROP TABLE",
)
INLINE_KILLS = max(12, KILLS // 4)
RecordProperty = Callable[[str, object], None]


@pytest.fixture
def forks() -> Generator[Forks]:
    with forking() as found:
        yield found


def statements(chance: random.Random) -> int:
    """Every second process dies before a statement, mostly an early one; the others at a moment."""
    return chance.choice((0, int(2 ** chance.uniform(0, 12))))


def death(kill: int, chance: random.Random) -> dict[str, Any]:
    """When a process dies by itself: every fifth before a statement at which most is at stake."""
    if kill % 5 == 3:
        return {"dies_before": chance.choice(DECISIVE), "dies_at": chance.randint(1, 3)}
    return {"dies_at": statements(chance)}


def catch_up(forks: Forks, store: Path, examiner: Examiner, versions: Mapping[str, int]) -> None:
    """A last process, which is not killed."""
    last = forks.start("project", store=str(store), versions=versions)
    last.until("ready")
    for _ in patiently():
        assert examiner.faults() == []
        if examiner.is_caught_up():
            break
    last.stop()


def test_every_read_model_is_the_fold_of_the_log_after_every_kill(
    forks: Forks, tmp_path: Path, record_property: RecordProperty
) -> None:
    """A14, A15, A16, A18: also when it is killed while building anew, while switching builds, while setting aside."""
    store, chance = tmp_path / "ledger.db", random.Random(f"{SEED}/async")
    examiner = Examiner(store)
    versions = dict.fromkeys(FOLDS, 1)
    phases, found = Phases(tmp_path / "phase"), Counter[Phase]()
    behind = builds = 0
    forks.start("append", store=str(store), seed=1, count=400, pause=0).until("done")
    writer = forks.start("append", store=str(store), seed=2)
    for kill in range(KILLS):
        if kill % 10 == 3:  # the code of a projection changes: it is built beside, then switched to
            versions[chance.choice(list(FOLDS))] += 1
        life = {"versions": versions, "rebuilds": kill % 4 == 1, **death(kill, chance)}
        phases.begin()
        process = forks.start("project", store=str(store), phases=str(phases.path), **life)
        found[killed(process, phases, chance, dies=bool(life["dies_at"]))] += 1
        assert examiner.faults() == [], f"after kill {kill + 1} with seed {SEED}: {life}"
        behind += not examiner.is_caught_up()
        builds = max(builds, *(build.build for build in examiner.builds), 0)
    writer.kill()
    catch_up(forks, store, examiner, versions)
    assert (examiner.faults(), examiner.is_caught_up()) == ([], True)
    record_property("kills", KILLS)
    for phase in Phase:
        record_property(f"kills_while_{phase.name.lower()}", found[phase])
    within = sum(count for phase, count in found.items() if phase.is_within)
    assert within > KILLS // 4, f"too few were killed within a transaction to show anything: {found}"
    assert sum(phase.is_within for phase in found) > 2, f"they were all about the same: {found}"
    assert behind > KILLS // 2, "too few were killed while they had something to do"
    assert builds > 4, "no build ever took the place of another"


@pytest.mark.parametrize(
    "statement",
    [
        "CREATE TABLE entry__",
        "INSERT INTO everfold_consumers",
        "INSERT INTO everfold_parked",
        "INSERT INTO everfold_leases",
        "UPDATE everfold_consumers SET token",
        "UPDATE everfold_consumers SET position",
        "UPDATE everfold_consumers SET state",
        "DROP VIEW",
        "CREATE VIEW",
        "DROP TABLE",
        "DELETE FROM everfold_consumers",
        "DELETE FROM open_order__",
    ],
)
def test_a_kill_before_any_kind_of_statement_leaves_nothing_half_done(
    forks: Forks, tmp_path: Path, statement: str
) -> None:
    """A15, A16: also in the midst of making tables, of setting aside, and of the switch from one build to the next."""
    store = tmp_path / "ledger.db"
    examiner = Examiner(store)
    forks.start("append", store=str(store), seed=1, count=200, pause=0, unlucky=0.05).until("done")
    for number in (1, 2, 5):
        life = {"dies_before": statement, "dies_at": number, "versions": dict.fromkeys(FOLDS, number)}
        process = forks.start("project", store=str(store), rebuilds=True, **life)
        _, died_before, was_within = process.until("dying")
        process.kill()
        assert (died_before.startswith(statement), was_within) == (True, True)
        assert examiner.faults() == []
    catch_up(forks, store, examiner, dict.fromkeys(FOLDS, 5))


def test_inline_read_models_are_the_fold_of_the_whole_log_after_every_kill(forks: Forks, tmp_path: Path) -> None:
    """Promise 2 and A15, A16: rows that are written by the appends of two processes, one of which is always killed."""
    store, chance = tmp_path / "ledger.db", random.Random(f"{SEED}/inline")
    examiner = Examiner(store, is_inline=True)
    forks.start("append-inline", store=str(store), seed=1, count=20).until("done")
    survivor = forks.start("append-inline", store=str(store), seed=2)
    phases, within = Phases(tmp_path / "phase"), 0
    for kill in range(INLINE_KILLS):
        dies_at = statements(chance)
        phases.begin()
        life = {"seed": 3 + kill, "phases": str(phases.path), "dies_at": dies_at}
        process = forks.start("append-inline", store=str(store), **life)
        within += killed(process, phases, chance, dies=dies_at > 0).is_within
        assert examiner.faults() == [], f"after kill {kill + 1} with seed {SEED}"
        assert examiner.is_caught_up(), "the rows were not written in the transaction of the append"
    survivor.until("refused")
    survivor.kill()
    assert (examiner.faults(), examiner.is_caught_up()) == ([], True)
    assert within > 1
