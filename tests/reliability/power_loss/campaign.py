"""Explores the crash states of a workload, and says of each finding how to see it again.

``EVERFOLD_CRASH_STATES``: how many states to explore in all, spread over the workloads. ``EVERFOLD_CRASH_SEED``: other
random states. ``EVERFOLD_CRASH_STATE``: explore nothing but the state of this address.
"""

import os
import random
from collections.abc import Callable, Iterator
from itertools import islice
from pathlib import Path
from typing import NamedTuple

from tests.reliability.power_loss.apsw_connection import ApswConnection
from tests.reliability.power_loss.examination import examined
from tests.reliability.power_loss.explorer import Recording, State, moments, state_at, states
from tests.reliability.power_loss.history import History
from tests.reliability.power_loss.power_cut import is_settled
from tests.reliability.power_loss.recorder import recorder
from tests.reliability.power_loss.recovery import put
from tests.reliability.power_loss.verdict import Violation
from tests.reliability.power_loss.workloads import WORKLOADS

__all__ = ["BUDGET", "ONLY", "SEED", "Campaign", "Finding", "first_few"]

BUDGET = int(os.environ.get("EVERFOLD_CRASH_STATES", "5000"))
SEED = os.environ.get("EVERFOLD_CRASH_SEED", "1")
ONLY = os.environ.get("EVERFOLD_CRASH_STATE", "")
MANY_CUTS = 1_000
COMMAND = "EVERFOLD_CRASH_STATE={} python -m pytest tests/reliability/power_loss/test_power_loss.py"


class Finding(NamedTuple):
    """A state that breaks promises."""

    address: str
    violations: list[Violation]

    def __str__(self) -> str:
        lines = [f"power cut {self.address} (seed/workload/prefix.number)", *map(str, self.violations[:5])]
        return "\n  ".join([*lines, f"again: {COMMAND.format(self.address)}"])


class Campaign:
    """All cuts of one recorded workload."""

    def __init__(
        self,
        workload: str,
        folder: Path,
        *,
        seed: str = SEED,
        synchronous: str = "full",
        kind: Callable[[str], ApswConnection] = ApswConnection,
    ) -> None:
        self._folder = folder
        self.explored = 0
        with recorder(str(folder / "recorded.db"), synchronous=synchronous, kind=kind) as store:
            WORKLOADS[workload](store)
        self.recording = Recording(f"{seed}/{workload}", store.trace, beginning=store.beginning)
        self.history: History = store.history

    def findings(self, *, budget: int = 0) -> Iterator[Finding]:
        """What goes wrong after one cut."""
        return self._examined(states(self.recording, budget=budget))

    def findings_in_recoveries(self, *, recoveries: int) -> Iterator[Finding]:
        """What goes wrong after a second cut, during the recovery from a first one."""
        chance = random.Random(f"{self.recording.address}/recoveries")
        uncertain = [moment.prefix for moment in moments(self.recording) if not is_settled(moment.disk)]
        for _ in range(recoveries):
            first = state_at(self.recording, chance.choice(uncertain), chance.randrange(MANY_CUTS))
            yield from self._examined(states(self._recovery(first)))

    def finding_at(self, address: str) -> Iterator[Finding]:
        """What goes wrong after the cut, or the cuts, of this address."""
        recording = self.recording
        _, _, *cuts = address.split("/")
        for cut in cuts[:-1]:
            recording = self._recovery(state_at(recording, *map(int, cut.split("."))))
        return self._examined(iter([state_at(recording, *map(int, cuts[-1].split(".")))]))

    def _examined(self, found: Iterator[State]) -> Iterator[Finding]:
        for state in found:
            self.explored += 1
            if violations := examined(state, self.history, self._folder):
                yield Finding(state.address, violations)

    def _recovery(self, state: State) -> Recording:
        """The opening and closing of what a cut left."""
        path = str(self._folder / "recovering.db")
        put(state.images, path)
        with recorder(path, synchronous="full") as store:
            store.open()
            store.close()
        return Recording(state.address, store.trace, state.images, state.started, state.acknowledged)


def first_few(findings: Iterator[Finding]) -> str:
    """A readable account of the first findings; empty when there is none."""
    return "\n\n".join(map(str, islice(findings, 3)))
