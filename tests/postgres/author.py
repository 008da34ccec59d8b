"""Makes up writes of all kinds: to a stream of one's own, to contended streams, under conditions over tags."""

import json
import random

from everfold.engines.postgres.engine import PostgresEngine
from everfold.log.condition import Condition
from everfold.log.idempotency import Repeatable
from everfold.log.record import NewRecord
from everfold.log.selection import Selection
from everfold.log.write import Appended, Conflicted, Outcome, StreamAppend, Write

__all__ = ["CONTENDED", "Author", "again", "attempt"]

CONTENDED = 3


def attempt(
    key: str,
    parts: dict[str, int],
    *,
    expected: dict[str, int] | None = None,
    tag: str = "",
    after: int = 0,
    tries: int = 1,
) -> Write:
    """A write whose every record tells of which attempt and which try it is, and how many records that has."""
    total = sum(parts.values())
    tags = (f"key:{key}", *([tag] if tag else []))
    records = [
        NewRecord("tried", 1, f"{key}#{tries}.{number}", json.dumps({"of": total}), tags=tags)
        for number in range(total)
    ]
    appends: list[StreamAppend] = []
    for stream, size in parts.items():
        appends.append(StreamAppend(stream, tuple(records[:size]), (expected or {}).get(stream)))
        del records[:size]
    return Write(
        appends=tuple(appends),
        condition=Condition(Selection(tags=(tag,)), after) if tag else None,
        repeatable=Repeatable(key, "print", json.dumps(key)),
    )


def again(write: Write, *, tries: int) -> Write:
    """The same once more, as a caller does who was not told what became of it: with new ids, and its old key."""
    assert write.repeatable
    parts = {part.stream: len(part.records) for part in write.appends}
    expected = {part.stream: part.expected for part in write.appends if part.expected is not None}
    tag, after = (write.condition.selection.tags[0], write.condition.after) if write.condition else ("", 0)
    return attempt(write.repeatable.key, parts, expected=expected, tag=tag, after=after, tries=tries)


class Author:
    """One of them, who remembers what it was told of the contended streams and tags."""

    def __init__(self, engine: PostgresEngine, name: str) -> None:
        self._engine = engine
        self._name = name
        self._chance = random.Random(name)
        self._number = 0
        self._versions: dict[str, int] = {}
        self._newest: dict[str, int] = {}

    async def batch(self) -> list[Write]:
        """One to three writes, to be handed over together."""
        return [await self._next() for _ in range(self._chance.choice((1, 1, 2, 3)))]

    async def _next(self) -> Write:
        self._number += 1
        key, kind = f"{self._name}:{self._number}", self._chance.random()
        own = {f"own-{self._name}": self._chance.randint(1, 3)}
        if kind < 0.4:
            return attempt(key, own)
        number = self._chance.randrange(CONTENDED)
        if kind < 0.7:
            stream = f"shared-{number}"
            if stream not in self._versions:
                last = await self._engine.read_stream(stream, limit=1, backwards=True)
                self._versions[stream] = last[0].version if last else 0
            return attempt(key, {**own, stream: 1}, expected={stream: self._versions[stream]})
        tag = f"seat:{number}"
        if tag not in self._newest:
            found = await self._engine.read(Selection(tags=(tag,)), limit=1, backwards=True)
            self._newest[tag] = found[0].position if found else 0
        return attempt(key, own, tag=tag, after=self._newest[tag])

    def learn(self, write: Write, outcome: Outcome) -> None:
        """What became of it tells what the contended ones have reached."""
        tag = write.condition.selection.tags[0] if write.condition else ""
        if isinstance(outcome, Appended):
            if tag:
                self._newest[tag] = outcome.last
            for part, version in zip(write.appends, outcome.versions, strict=True):
                if part.expected is not None:
                    self._versions[part.stream] = version
        elif isinstance(outcome, Conflicted):
            self._newest.pop(tag, None)
            for part in write.appends:
                self._versions.pop(part.stream, None)
