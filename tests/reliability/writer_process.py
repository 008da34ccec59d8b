"""A program that writes to a store until it is stopped or done, and reports every outcome before it goes on.

Run by the tests as ``python -m tests.reliability.writer_process ROLE STORE NAME``. It begins when it reads a line from
its standard input, and prints one JSON array per line: what happened, then the facts.
"""

import asyncio
import itertools
import json
import os
import resource
import sys

from everfold.clock import SystemClock
from everfold.engines.sqlite.engine import SqliteEngine
from everfold.errors import EverfoldError
from everfold.log.checkpoint import Checkpoint
from everfold.log.idempotency import Repeatable
from everfold.log.record import NewRecord
from everfold.log.write import Appended, Conflicted, StreamAppend, Write

WRITERS = 16
CONTENDED = 3
ROUNDS = 25
NOBODY = 65_534


def say(*facts: object) -> None:
    """One line, in one system call: a killed program leaves no half of it."""
    os.write(1, json.dumps(facts).encode() + b"\n")


def attempt(name: str, parts: dict[str, int], expected: dict[str, int]) -> Write:
    """A write whose every trace tells that it belongs to this attempt, and how many records that has."""
    total = sum(parts.values())
    numbers = itertools.count()

    def record() -> NewRecord:
        number = next(numbers)
        data = json.dumps({"attempt": name, "number": number, "of": total})
        return NewRecord("tried", 1, f"{name}.{number}", data, tags=(f"attempt:{name}",))

    return Write(
        appends=tuple(
            StreamAppend(stream, tuple(record() for _ in range(count)), expected.get(stream))
            for stream, count in parts.items()
        ),
        repeatable=Repeatable(name, "print", json.dumps(name)),
        checkpoints=(Checkpoint(name.rpartition(".")[0], int(name.rpartition(".")[2])),),
    )


async def write_on(engine: SqliteEngine, name: str, *, rounds: int | None) -> None:
    """Append to a stream of one's own and to contended ones, with the version last heard of."""
    known: dict[str, int] = {}
    for number in itertools.count(1) if rounds is None else range(1, rounds + 1):
        parts = {f"own-{name}": number % 3 + 1}
        contended = f"shared-{number % CONTENDED}"
        if number % 3 == 1:
            parts[contended] = 1
            if contended not in known:
                last = await engine.read_stream(contended, limit=1, backwards=True)
                known[contended] = last[0].version if last else 0
        label = f"{name}.{number}"
        try:
            (outcome,) = await engine.append([attempt(label, parts, known if contended in parts else {})])
        except EverfoldError as error:
            say("error", label, type(error).__name__, str(error))
            continue
        if isinstance(outcome, Appended):
            known |= dict(zip(list(parts)[1:], outcome.versions[1:], strict=True))
            say("stored", label, outcome.first, outcome.last)
        elif isinstance(outcome, Conflicted) and outcome.actual is not None:
            known[contended] = outcome.actual
            say("conflict", label)
        else:
            say("error", label, "unexpected", repr(outcome))


async def write(store: str, name: str, *, rounds: int | None) -> None:
    """Several writers at once, through one engine."""
    engine = SqliteEngine(store)
    await engine.open()
    await asyncio.gather(*(write_on(engine, f"{name}-{n}", rounds=rounds) for n in range(WRITERS)))
    await engine.close()
    say("closed")


class HaltingClock(SystemClock):
    """Asked for the time of a batch, in the middle of its transaction, it halts until a line arrives."""

    def micros(self) -> int:
        """The time, after a while."""
        say("halted")
        sys.stdin.readline()
        return super().micros()


async def halt(store: str, name: str) -> None:
    """Append one record, halting with the locks held and nothing committed."""
    engine = SqliteEngine(store, clock=HaltingClock())
    await engine.open()
    await engine.append([attempt(f"{name}.1", {"thing-halted": 1}, {})])
    say("stored", f"{name}.1")
    await engine.close()


async def just_open(store: str) -> None:
    """Open the store and close it again."""
    engine = SqliteEngine(store)
    try:
        await engine.open()
        say("opened", await engine.wait(-1))
        await engine.close()
    except EverfoldError as error:
        say("error", type(error).__name__, str(error))


async def fill(store: str) -> None:
    """Write large records until there is no space; told to go on, a few more with all the space there is."""
    engine = SqliteEngine(store)
    await engine.open()
    left = 400
    for number in itertools.count(1):
        try:
            (outcome,) = await engine.append([large(number)])
        except EverfoldError as error:
            say("error", f"large.{number}", type(error).__name__, str(error))
            sys.stdin.readline()
            resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
            left = 5
        else:
            assert isinstance(outcome, Appended)
            say("stored", f"large.{number}", outcome.first, outcome.last)
            left -= 1
        if not left:
            break
    await engine.close()
    say("closed")


def large(number: int) -> Write:
    """A write that takes some pages."""
    data = json.dumps({"number": 0, "of": 1, "fill": "x" * 20_000})
    return Write(
        appends=(StreamAppend("thing-large", (NewRecord("tried", 1, f"large.{number}.0", data),)),),
        repeatable=Repeatable(f"large.{number}", "print", json.dumps(f"large.{number}")),
        checkpoints=(Checkpoint("large", number),),
    )


def main(role: str, store: str, name: str) -> None:
    """Wait for the beginning, then do it."""
    say("ready")
    sys.stdin.readline()
    if role == "open-as-nobody":
        if os.geteuid() == 0:
            os.setgroups([])
            os.setgid(NOBODY)
            os.setuid(NOBODY)
        asyncio.run(just_open(store))
    elif role == "open":
        asyncio.run(just_open(store))
    elif role.startswith("fill"):
        if limit := role.partition(":")[2]:
            resource.setrlimit(resource.RLIMIT_FSIZE, (int(limit), resource.RLIM_INFINITY))
        asyncio.run(fill(store))
    elif role == "halt":
        asyncio.run(halt(store, name))
    else:
        asyncio.run(write(store, name, rounds=None if role == "endless" else ROUNDS))


if __name__ == "__main__":
    main(*sys.argv[1:4])
