"""What a process does with its views, noted where it outlives the process: one byte of a file that it has mapped.

A process that was killed says nothing any more. So it notes what it is about before and after its statements, and
whoever has killed it looks up in which phase it was. It can also be made to kill itself before a statement.
"""

import enum
import json
import mmap
import os
import random
import signal
import time
from pathlib import Path
from typing import Any

from everfold.engines.held_connection import HeldConnection
from everfold.engines.sqlite import connection as opening
from tests.reliability.processes import PATIENCE
from tests.reliability.read_side.forks import Fork

__all__ = ["WRITING", "Phase", "Phases", "killed", "replace", "say", "watch"]

WRITING = ("INSERT", "UPDATE", "DELETE", "CREATE", "DROP", "COMMIT")
ENDS = ("COMMIT", "ROLLBACK")


class Phase(enum.IntEnum):
    """What a process is about. From MAKING on, it has begun a transaction and not yet committed it."""

    STARTING = 0
    """It has not written anything yet."""
    BETWEEN = enum.auto()
    """It reads the log, or has nothing to do."""
    BEGINNING = enum.auto()
    """It begins a transaction, or waits for the file."""
    MAKING = enum.auto()
    """It makes tables for a build."""
    LEASING = enum.auto()
    """It takes, renews or releases a lease."""
    APPLYING = enum.auto()
    """It has the fence, and applies a batch."""
    SETTING_ASIDE = enum.auto()
    """It sets an event aside, or puts others behind it."""
    SWITCHING = enum.auto()
    """It makes another build the active one, or drops an old one."""
    COMMITTING = enum.auto()

    @property
    def is_within(self) -> bool:
        """Whether a transaction was cut off."""
        return self >= Phase.MAKING


BEGINNINGS = {
    "BEGIN": Phase.BEGINNING,
    "COMMIT": Phase.COMMITTING,
    "CREATE TABLE": Phase.MAKING,
    "CREATE INDEX": Phase.MAKING,
    "INSERT INTO everfold_consumers": Phase.MAKING,
    "INSERT INTO everfold_leases": Phase.LEASING,
    "UPDATE everfold_leases": Phase.LEASING,
    "INSERT INTO everfold_parked": Phase.SETTING_ASIDE,
    "UPDATE everfold_consumers SET state": Phase.SWITCHING,
    "DELETE FROM everfold_consumers": Phase.SWITCHING,
    "DELETE FROM everfold_parked": Phase.SWITCHING,
    "DROP": Phase.SWITCHING,
    "CREATE VIEW": Phase.SWITCHING,
}


def phase_of(sql: str, phase: Phase) -> Phase:
    """The phase that begins with a statement of a transaction that writes; most statements are of its last one."""
    found = next((phase for beginning, phase in BEGINNINGS.items() if sql.startswith(beginning)), None)
    if found is None:
        return Phase.APPLYING if phase is Phase.BEGINNING else phase
    return found


class Phases:
    """The byte, seen from the process that notes (``note``) or from the one that looks it up (``last``)."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def begin(self) -> None:
        """Forget the process before."""
        self.path.write_bytes(bytes(1))

    @property
    def last(self) -> Phase:
        """What the process was about when it was killed."""
        return Phase(self.path.read_bytes()[0])

    def open(self) -> "Phases":
        """Be able to note."""
        with self.path.open("r+b") as file:
            self._page = mmap.mmap(file.fileno(), 1)
        return self

    def note(self, phase: Phase) -> None:
        """No system call: it is in the page when the next instruction is executed."""
        self._page[0] = phase


def killed(process: Fork, phases: Phases, chance: random.Random, *, dies: bool) -> Phase:
    """Kill it at some moment, unless it dies by itself before a statement; what it was about.

    On a busy machine processes start slowly and are given more time to come to something.
    """
    begun = time.monotonic()
    if not dies and chance.random() < 0.1:
        time.sleep(chance.uniform(0, 0.05))  # while it starts
    else:
        report = process.hears("ready", "dying", seconds=PATIENCE)
        assert report
        took = time.monotonic() - begun
        if not dies:
            time.sleep(chance.uniform(0, 0.06 + took))
        elif report[0] == "ready":
            process.hears("dying", seconds=0.2 + took)
    process.kill()
    return phases.last


class Watch:
    """Notes what this process is about, and ends it before the statement of that number, of those that begin so."""

    def __init__(self, phases: str, dies_at: int, dies_before: tuple[str, ...]) -> None:
        self._phases = Phases(Path(phases)).open() if phases else None
        self._left = dies_at
        self._dies_before = dies_before
        self._phase: Phase | None = None
        """None: no transaction that writes is under way."""

    def begins(self, sql: str, *, is_within: bool) -> None:
        """A statement is about to be executed."""
        if self._phase is not None or sql == "BEGIN IMMEDIATE":
            self._enter(phase_of(sql, self._phase or Phase.BEGINNING))
        if self._left > 0 and sql.startswith(self._dies_before):
            self._left -= 1
            if not self._left:
                say("dying", sql[:40], is_within)
                os.kill(os.getpid(), signal.SIGKILL)

    def ended(self, sql: str) -> None:
        """A statement was executed, or failed."""
        if self._phase is not None and sql in ENDS:
            self._enter(None)

    def _enter(self, phase: Phase | None) -> None:
        self._phase = phase
        if self._phases:
            self._phases.note(Phase.BETWEEN if phase is None else phase)


def watch(file: str, *, phases: str = "", dies_at: int = 0, dies_before: tuple[str, ...] = WRITING) -> None:
    """Watch the connection that writes to the file with this end, for as long as this process lives."""
    noted = Watch(phases, dies_at, dies_before)

    class Watched(HeldConnection):
        def __init__(self, path: str, **options: Any) -> None:
            super().__init__(path, **options)
            self.writes = False
            if path.endswith(file):
                self.set_trace_callback(self.begins)

        def begins(self, sql: str) -> None:
            self.writes |= sql == "BEGIN IMMEDIATE"
            if self.writes:
                noted.begins(sql.lstrip(), is_within=self.in_transaction)

        def execute(self, sql: str, parameters: Any = (), /) -> Any:
            try:
                return super().execute(sql, parameters)
            finally:
                if self.writes:
                    noted.ended(sql)

    replace(opening, "HeldConnection", Watched)


def say(*facts: object) -> None:
    """One line, in one system call: a killed program leaves no half of it."""
    os.write(1, json.dumps(["said", os.getpid(), *facts]).encode() + b"\n")


def replace(owner: object, name: str, value: object) -> None:
    """Put something in the place of what is there, for as long as this process lives."""
    assert hasattr(owner, name), name
    setattr(owner, name, value)
