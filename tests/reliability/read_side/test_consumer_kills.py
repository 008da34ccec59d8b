"""Functions that are told of events (``@app.consumes``): at least once, in order, by some process, whoever is killed.

What they do is beyond the reach of transactions: here they append a line to a file.
"""

import os
import random
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.reliability.read_side.forks import Forks, forking, patiently
from tests.reliability.read_side.ledger import UNLUCKY
from tests.reliability.read_side.phases import Phases, killed

KILLS = max(15, int(os.environ.get("EVERFOLD_PROJECTION_KILLS", "50")) // 3)
SEED = os.environ.get("EVERFOLD_KILL_SEED", "1")
PARTS = 3
EVERYBODY = 0
PAYMENTS = """SELECT position, stream, id, json_extract(data, '$.amount') FROM events WHERE type = 'paid'
ORDER BY position"""


class Payment(NamedTuple):
    """A payment in the log."""

    position: int
    stream: str
    id: str
    amount: int


class Told(NamedTuple):
    """A line that a consumer wrote."""

    pid: int
    position: int
    id: str


class Ledger:
    """The log, how far the parts of the consumer are, and what was told."""

    def __init__(self, folder: Path) -> None:
        self.store = folder / "ledger.db"
        self.file = folder / "told"
        self.file.touch()

    def told(self) -> list[Told]:
        """Every line, in the order in which they were written, by all processes."""
        lines = (line.split() for line in self.file.read_text("ascii").splitlines())
        return [Told(int(pid), int(position), record_id) for pid, position, record_id in lines]

    def has_repetitions(self) -> bool:
        """Whether anything was told twice."""
        told = self.told()
        return len(told) > len({each.id for each in told})

    def look(self) -> tuple[list[Payment], list[int], dict[int, str], int]:
        """The payments, where the parts are, what is set aside, and the end of the log; in one view."""
        with closing(sqlite3.connect(f"file:{self.store}?mode=ro", uri=True, isolation_level=None)) as log:
            log.execute("BEGIN")
            payments = [Payment(*row) for row in log.execute(PAYMENTS)]
            parts = log.execute("SELECT position FROM everfold_consumers WHERE name = 'payments'").fetchall()
            parked = dict(log.execute("SELECT position, state FROM everfold_parked").fetchall())
            (head,) = log.execute("SELECT max(position) FROM events").fetchone()
        return payments, [position for (position,) in parts], parked, head

    def faults(self) -> list[str]:
        """Everything that is wrong now."""
        payments, parts, parked, _ = self.look()
        return [*missed(payments, self.told(), parked, min(parts, default=0)), *disorder(payments, self.told())]

    def is_caught_up(self) -> bool:
        """Whether every part is at the end of the log."""
        _, parts, _, head = self.look()
        return parts == [head] * PARTS


def missed(payments: Sequence[Payment], told: Sequence[Told], parked: dict[int, str], until: int) -> Iterator[str]:
    """A14, A15: payments that the consumer has gone past without a word; and what is set aside without a reason."""
    known = {each.position for each in told}
    waiting: set[str] = set()
    for payment in payments:
        if payment.position > until:
            return
        is_aside = payment.stream in waiting or payment.amount == UNLUCKY
        state = ("waiting" if payment.stream in waiting else "parked") if is_aside else None
        if state:
            waiting.add(payment.stream)
        if parked.get(payment.position) != state:
            yield f"{payment}: set aside as {parked.get(payment.position)} instead of {state}"
        if (payment.position in known) == is_aside:
            yield f"{payment}: {'was told, and ' if is_aside else 'was not told, and '}the consumer is at {until}"


def disorder(payments: Sequence[Payment], told: Sequence[Told]) -> Iterator[str]:
    """Each process tells those of a stream in order, and so do all of them together, when repetitions are left out.

    A process repeats itself when it was silent for so long that another had its part for a while.
    """
    by_position = {payment.position: payment for payment in payments}
    last: dict[tuple[int, str], int] = {}
    ids: set[tuple[int, str]] = set()
    for each in told:
        payment = by_position.get(each.position)
        if payment is None:
            continue  # younger than our look at the log
        if payment.id != each.id:
            yield f"{each} has another id than {payment}"
        for teller in (each.pid, EVERYBODY):
            if (teller, each.id) in ids:
                continue
            ids.add((teller, each.id))
            if last.get((teller, payment.stream), 0) >= each.position:
                yield f"{each} came behind {last[teller, payment.stream]} of {payment.stream}"
            last[teller, payment.stream] = each.position


@pytest.fixture
def ledger(tmp_path: Path) -> Ledger:
    return Ledger(tmp_path)


def test_consumers_are_told_of_every_event_in_order_whoever_is_killed(ledger: Ledger, tmp_path: Path) -> None:
    """A14, A15 and the order of each stream; another process runs all the time and has its share of the parts."""
    chance, phases, within = random.Random(f"{SEED}/consumers"), Phases(tmp_path / "phase"), 0
    common = {"store": str(ledger.store), "told": str(ledger.file), "parts": PARTS}
    with forking() as forks:
        forks.start("append", store=str(ledger.store), seed=1, count=200, pause=0, unlucky=0.02).until("done")
        writer = forks.start("append", store=str(ledger.store), seed=2, unlucky=0.02)
        survivor = forks.start("consume", **common)
        for kill in range(4 * KILLS):
            if kill >= KILLS and ledger.has_repetitions():  # enough, and somebody was killed between word and deed
                break
            phases.begin()
            dies_at = int(2 ** chance.uniform(3, 7)) if kill % 3 else 0
            process = forks.start("consume", **common, phases=str(phases.path), dies_at=dies_at)
            within += killed(process, phases, chance, dies=dies_at > 0).is_within
            assert ledger.faults() == [], f"after kill {kill + 1} with seed {SEED}"
        writer.kill()
        finish(forks, ledger)
        survivor.stop()
    told = ledger.told()
    assert len({each.pid for each in told}) > 2, "one process had all the work"
    assert ledger.has_repetitions(), "nothing came twice: nobody was killed within a batch"
    assert within > KILLS // 4, "too few were killed within a transaction"


def finish(forks: Forks, ledger: Ledger) -> None:
    """Wait until those that live have told everything."""
    for _ in patiently():
        assert ledger.faults() == []
        if ledger.is_caught_up():
            return
