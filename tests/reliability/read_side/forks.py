"""Handles on forked processes: start, listen to, signal, kill and reap them. Every wait has an end."""

import asyncio
import json
import os
import select
import signal
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable, Generator
from contextlib import contextmanager
from typing import Any

from tests.reliability.processes import PATIENCE, ROOT, unmeasured

__all__ = ["Fork", "Forks", "eventually", "forking", "patiently"]

PROGRAM = "tests.reliability.read_side.forked_process"


class Forks:
    """The program that forks."""

    def __init__(self, program: str = PROGRAM) -> None:
        self._program = subprocess.Popen(
            [sys.executable, "-m", program],
            cwd=ROOT,
            env=unmeasured(),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            bufsize=0,
        )
        self._unread = b""
        self.said: dict[int, list[list[Any]]] = {}
        """What each process reported and nobody took yet."""

    def start(self, role: str, **arguments: object) -> "Fork":
        """A process that plays this role."""
        return Fork(self, self._asked("start", role, arguments)[1])

    def reap(self, pid: int) -> int:
        """Wait for its end; its exit code."""
        return int(self._asked("reap", pid)[2])

    def _asked(self, *question: object) -> list[Any]:
        assert self._program.stdin
        self._program.stdin.write(json.dumps(question).encode() + b"\n")
        while True:
            line = self.line(PATIENCE)
            assert line is not None, "the forking program said nothing for too long"
            if line[0] != "said":
                return line

    def line(self, seconds: float) -> list[Any] | None:
        """The next line, if one comes within these seconds; reports are also kept in ``said``."""
        assert self._program.stdout
        deadline = time.monotonic() + seconds
        while b"\n" not in self._unread:
            left = max(0.0, deadline - time.monotonic())
            if not select.select([self._program.stdout], [], [], left)[0]:
                return None
            read = os.read(self._program.stdout.fileno(), 65536)
            assert read, "the forking program has ended"
            self._unread += read
        text, _, self._unread = self._unread.partition(b"\n")
        line: list[Any] = json.loads(text)
        if line[0] == "said":
            self.said.setdefault(line[1], []).append(line[2:])
        return line

    def close(self) -> None:
        """End it, and with it all that it started."""
        assert self._program.stdin
        assert self._program.stdout
        self._program.stdin.close()
        try:
            self._program.wait(PATIENCE)
        finally:
            self._program.kill()
            self._program.wait()
            self._program.stdout.close()


class Fork:
    """One process."""

    def __init__(self, forks: Forks, pid: int) -> None:
        self.pid = pid
        self._forks = forks

    def until(self, kind: str, *, seconds: float = PATIENCE) -> list[Any]:
        """Listen until it reports this."""
        found = self.hears(kind, seconds=seconds)
        assert found is not None, f"no {kind} within {seconds} s, only {self._forks.said.get(self.pid)}"
        return found

    def hears(self, *kinds: str, seconds: float) -> list[Any] | None:
        """Its first report of these kinds, if one comes within these seconds; those before it are dropped."""
        deadline = time.monotonic() + seconds
        while True:
            said = self._forks.said.setdefault(self.pid, [])
            while said:
                report = said.pop(0)
                if report[0] in kinds:
                    return report
            left = deadline - time.monotonic()
            if left <= 0 or self._forks.line(left) is None:
                return None

    def signal(self, number: int) -> None:
        """Send a signal. Until it is reaped, its number cannot belong to another."""
        os.kill(self.pid, number)

    def kill(self) -> None:
        """Kill it, in the middle of whatever it does, and wait for its end."""
        self.signal(signal.SIGKILL)
        assert self._forks.reap(self.pid) in (-signal.SIGKILL, 0)

    def stop(self) -> None:
        """Ask it to stop cleanly, and wait for its end."""
        self.signal(signal.SIGTERM)
        assert self._forks.reap(self.pid) == 0


@contextmanager
def forking(program: str = PROGRAM) -> Generator[Forks]:
    """Forked processes, all gone afterwards."""
    forks = Forks(program)
    try:
        yield forks
    finally:
        forks.close()


def patiently(seconds: float = PATIENCE) -> Generator[None]:
    """Look again and again, for so long at most."""
    deadline = time.monotonic() + seconds
    while True:
        yield
        assert time.monotonic() < deadline, f"it did not come true within {seconds} s"
        time.sleep(0.005)


async def eventually(condition: Callable[[], bool | Awaitable[bool]]) -> None:
    """Look again and again until it holds, without holding up other tasks."""
    async with asyncio.timeout(PATIENCE):
        while True:
            found = condition()
            if found if isinstance(found, bool) else await found:
                return
            await asyncio.sleep(0.005)
