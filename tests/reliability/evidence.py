"""What writer processes reported, held against what the store contains: the invariants of an append-only log."""

import json
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from everfold.engines.sqlite.engine import SqliteEngine
from everfold.log.engine import Engine
from everfold.log.record import Record
from everfold.log.selection import EVERYTHING

__all__ = ["Evidence", "check_store"]


class Evidence:
    """The reports of all processes that ever wrote to one store."""

    def __init__(self) -> None:
        self.stored: dict[str, tuple[int, int]] = {}
        self.refused: set[str] = set()
        self.errors: list[Any] = []

    def add(self, reports: Iterable[list[Any]]) -> None:
        """Take in what a process reported."""
        for kind, *facts in reports:
            if kind == "stored":
                self.stored[facts[0]] = (facts[1], facts[2])
            elif kind == "conflict":
                self.refused.add(facts[0])
            elif kind == "error":
                self.errors.append(facts)


async def check_store(path: Path, evidence: Evidence) -> list[Record]:
    """Open the store, check everything that was promised, close it; its records."""
    engine = SqliteEngine(path)
    await engine.open()
    try:
        log = list(await engine.read(EVERYTHING, limit=10**9))
        check_order(log)
        check_attempts(log, evidence)
        await check_beside(engine, log)
        assert await engine.wait(-1) == len(log)
        verified = await engine.verify(after=0, limit=10**9)
        assert (verified.position, verified.damages) == (len(log), ())
    finally:
        await engine.close()
    return log


def check_order(log: list[Record]) -> None:
    """No gap in positions or versions, and no time that goes back (A5, A6)."""
    assert [record.position for record in log] == list(range(1, len(log) + 1))
    reached: Counter[str] = Counter()
    for record in log:
        reached[record.stream] += 1
        assert record.version == reached[record.stream]
    times = [record.recorded for record in log]
    assert times == sorted(times)


def check_attempts(log: list[Record], evidence: Evidence) -> None:
    """Acknowledged attempts are there (A1), refused ones are not (A2), each is whole and in one piece (A4)."""
    found: dict[str, list[Record]] = {}
    for record in log:
        found.setdefault(record.id.rpartition(".")[0], []).append(record)
    for name, records in found.items():
        total = json.loads(records[0].data)["of"]
        assert [json.loads(record.data)["number"] for record in records] == list(range(total)), name
        assert records[-1].position - records[0].position == total - 1, name
    assert evidence.stored.keys() - found.keys() == set()
    assert evidence.refused & found.keys() == set()
    for name, (first, last) in evidence.stored.items():
        assert (found[name][0].position, found[name][-1].position) == (first, last)


async def check_beside(engine: Engine, log: list[Record]) -> None:
    """Reply and checkpoint are there exactly with the newest attempt of each writer (A3, A15)."""
    newest = {record.id.rsplit(".", 2)[0]: record.id.rpartition(".")[0] for record in log}
    for writer, attempt in newest.items():
        number = int(attempt.rpartition(".")[2])
        reply = await engine.reply(attempt)
        assert reply and json.loads(reply.reply) == attempt
        assert await engine.reply(f"{writer}.{number + 1}") is None
        assert await engine.checkpoint(writer) == number
