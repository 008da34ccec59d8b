"""Processes that write to one store and follow it, and at the end the check of everything they were told and saw."""

from __future__ import annotations

import asyncio
import signal
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager, suppress
from functools import partial
from itertools import pairwise
from pathlib import Path

from everfold.engines.postgres.engine import PostgresEngine
from everfold.log.record import Record
from everfold.log.selection import EVERYTHING
from tests.postgres.author import attempt
from tests.postgres.journal import Journal, count, entries
from tests.postgres.roles import appended
from tests.postgres.verdict import History, violations
from tests.reliability.read_side.forks import Fork, Forks

__all__ = ["Bench", "benched", "patient"]

LIMIT = 60.0


def patient(done: Callable[[], bool], what: str, *, seconds: float = LIMIT) -> None:
    """Look again and again until it is so."""
    deadline = time.monotonic() + seconds
    while not done():
        assert time.monotonic() < deadline, f"waited {seconds} s for {what}"
        time.sleep(0.01)


class Bench:
    """One store, the processes at work on it, and their journals."""

    def __init__(self, store: str, folder: Path, forks: Forks) -> None:
        self.store = store
        self.history = History()
        self.log: list[Record] = []
        self._folder = folder
        self._forks = forks
        self._names: list[str] = []
        self.alive: dict[str, Fork] = {}

    def writer(self, name: str, **options: object) -> Fork:
        """A process that appends from now on."""
        return self._start("write", name, options)

    def follower(self, name: str) -> Fork:
        """A process that reads at the tail from now on."""
        return self._start("follow", name, {})

    def _start(self, role: str, name: str, options: dict[str, object]) -> Fork:
        fork = self._forks.start(role, **{"store": self.store, **options}, journal=str(self._folder), name=name)
        self.alive[name] = fork
        self._names.append(name)
        fork.until("ready")
        return fork

    def stored(self, *names: str) -> int:
        """How many acknowledgements these processes have had."""
        return sum(count(self._folder, name, "stored") for name in names)

    def until_stored(self, more: int, *names: str, seconds: float = LIMIT) -> None:
        """Wait until these processes together have had so many more acknowledgements."""
        goal = self.stored(*names) + more
        patient(lambda: self.stored(*names) >= goal, f"{more} more appends by {names}", seconds=seconds)

    def kill(self, name: str) -> None:
        """Kill a process in the middle of whatever it does."""
        self.alive.pop(name).kill()

    def stop(self, *names: str) -> None:
        """Let writers finish what they are at."""
        for name in names:
            self.alive[name].signal(signal.SIGTERM)
        self.await_end(*names)

    def await_end(self, *names: str) -> None:
        """Wait for writers that end by themselves."""
        for name in names:
            fork = self.alive.pop(name)
            fork.until("done")
            assert self._forks.reap(fork.pid) == 0

    def finish(self) -> list[Record]:
        """Stop the writers, learn what became of everything, let the followers catch up, and check it all; the log."""
        assert self.findings() == []
        return self.log

    def findings(self) -> list[str]:
        """As ``finish``, but tells what is wrong."""
        followers = [name for name in self.alive if name.startswith("follower")]
        self.stop(*(name for name in self.alive if name not in followers))
        asyncio.run(self._resolve())
        head = len(self.log)
        for name in followers:
            patient(partial(self._has_reached, name, head), f"{name} to see all {head} (A14)")
            self.kill(name)
        self.history = self._read()
        return violations(self.history, self.log)

    async def _resolve(self) -> None:
        """Ask once more with the same key for whatever is unknown."""
        engine = PostgresEngine(self.store, readers=1)
        await engine.open()
        journal = Journal(str(self._folder), "resolver")
        for each in self._read().unresolved:
            number = each.number + 1
            write = attempt(each.key, each.parts, expected=each.expected, tag=each.tag, after=each.after, tries=number)
            await appended(engine, journal, [write], number)
        self._names.append("resolver")
        self.log = list(await engine.read(EVERYTHING, limit=10**9))
        assert await engine.wait(-1) == len(self.log)
        verified = await engine.verify(after=0, limit=10**9)
        assert (verified.position, verified.damages) == (len(self.log), ())
        await engine.close()

    def _read(self) -> History:
        history = History()
        for name in self._names:
            history.add(name, entries(self._folder, name))
        return history

    def _has_reached(self, name: str, position: int) -> bool:
        seen = [entry[2] for entry in entries(self._folder, name) if entry[1] == "seen"]
        return bool(seen) and int(seen[-1][-1][0]) >= position

    def longest_wait(self, *names: str) -> float:
        """The longest time, in seconds, in which none of these processes had an acknowledgement."""
        moments = sorted(entry[0] for name in names for entry in entries(self._folder, name) if entry[1] == "stored")
        return float(max(later - earlier for earlier, later in pairwise(moments))) / 1e9


@contextmanager
def benched(store: str, folder: Path, forks: Forks) -> Generator[Bench]:
    """A bench whose processes are gone afterwards."""
    folder.mkdir(exist_ok=True)
    bench = Bench(store, folder, forks)
    try:
        yield bench
    finally:
        for fork in bench.alive.values():
            with suppress(ProcessLookupError):
                fork.signal(signal.SIGCONT)
            fork.kill()
