"""A program that has everything imported and forks a process for each line it reads: killed ones are cheap to replace.

Run by the tests as ``python -m tests.reliability.read_side.forked_process``. A line is a JSON array: ``["start", ROLE,
ARGUMENTS]`` answers ``["started", PID]``, ``["reap", PID]`` waits for the end of that one. When its input ends, so do
it and all that it started. The processes report on the same pipe, as ``["said", PID, ...]``.
"""

import json
import os
import signal
import sys
from collections.abc import Callable, Mapping
from contextlib import suppress
from importlib import import_module

from tests.reliability.read_side.roles import ROLES

Roles = Mapping[str, Callable[..., None]]


def start(roles: Roles, role: str, arguments: dict[str, object]) -> int:
    """A process that plays this role."""
    pid = os.fork()
    if pid:
        return pid
    code = 1
    try:
        os.close(0)
        os.open(os.devnull, os.O_RDONLY)
        roles[role](**arguments)
        code = 0
    finally:
        os._exit(code)


def main(roles: Roles) -> None:
    """Start, reap, and end with the input."""
    alive: set[int] = set()
    for line in iter(sys.stdin.buffer.readline, b""):
        match json.loads(line):
            case ["start", str(role), arguments]:
                pid = start(roles, role, arguments)
                alive.add(pid)
                answer = ["started", pid]
            case ["reap", int(pid)]:
                _, status = os.waitpid(pid, 0)
                alive.discard(pid)
                answer = ["reaped", pid, os.waitstatus_to_exitcode(status)]
            case other:
                raise AssertionError(other)
        os.write(1, json.dumps(answer).encode() + b"\n")
    for pid in alive:
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)


if __name__ == "__main__":
    import_module("everfold.engines.sqlite.engine")  # now, and not in each process anew
    main(ROLES)
