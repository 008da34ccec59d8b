"""Handles on writer processes: start, let go, listen to, stop and kill them. Every wait has an end."""

import json
import os
import select
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any

__all__ = ["Process", "unmeasured"]

ROOT = Path(__file__).parents[2]
PATIENCE = 60.0
Report = list[Any]


def unmeasured() -> dict[str, str]:
    """The environment without coverage: a killed process would leave nothing but a slow start."""
    return {key: value for key, value in os.environ.items() if not key.startswith("COVERAGE_")}


class Process:
    """One writer process. ``with`` sees to it that it is gone afterwards."""

    def __init__(self, role: str, store: Path, name: str, *, under: Sequence[str] = ()) -> None:
        command = [*under, sys.executable, "-m", "tests.reliability.writer_process", role, str(store), name]
        self._process = subprocess.Popen(
            command,
            cwd=ROOT,
            env=unmeasured(),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            bufsize=0,
        )
        self._unread = b""
        self.reports: list[Report] = []

    def __enter__(self) -> "Process":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._process.kill()
        self._process.wait()
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe:
                pipe.close()

    def go(self) -> None:
        """Give it the line it waits for."""
        assert self._process.stdin
        self._process.stdin.write(b"\n")

    def signal(self, number: int) -> None:
        """Send a signal."""
        self._process.send_signal(number)

    def kill_after(self, seconds: float) -> None:
        """Kill it in the middle of whatever it does by then."""
        time.sleep(seconds)
        self._process.kill()

    def until(self, kind: str) -> Report:
        """Listen until it reports this."""
        for report in self.listen():
            if report[0] == kind:
                return report
        raise AssertionError(f"it ended without {kind}: {self.reports[-3:]}")

    def listen(self) -> Iterator[Report]:
        """All reports from here on, until it ends."""
        while line := self._line():
            self.reports.append(json.loads(line))
            yield self.reports[-1]

    def _line(self) -> bytes:
        assert self._process.stdout
        while b"\n" not in self._unread:
            ready, _, _ = select.select([self._process.stdout], [], [], PATIENCE)
            assert ready, "it said nothing for too long"
            read = os.read(self._process.stdout.fileno(), 65536)
            if not read:
                return b""
            self._unread += read
        line, _, self._unread = self._unread.partition(b"\n")
        return line

    def listen_to_the_end(self) -> list[Report]:
        """All it ever reported."""
        for _ in self.listen():
            pass
        return self.reports
