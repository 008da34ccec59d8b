"""What a follower was given, held against the log as it was in the end; and followers that are wrong on purpose."""

from collections.abc import AsyncGenerator, Callable, Sequence
from itertools import pairwise
from typing import Any

from everfold.engines.sqlite.engine import SqliteEngine
from everfold.errors import ProjectionFailed
from everfold.log.record import Record
from everfold.log.selection import EVERYTHING

__all__ = ["NAIVE", "Eavesdropper", "anomalies"]

PAGE = 7
Naive = Callable[[SqliteEngine], AsyncGenerator[Sequence[Record], None]]


def anomalies(seen: Sequence[Record], log: Sequence[Record]) -> set[str]:
    """The anomalies of the catalogue that this sequence shows, when the log is known to be complete."""
    found: set[str] = set()
    positions = [record.position for record in seen]
    if any(later <= earlier for earlier, later in pairwise(positions)):
        found.add("A10")
    if not {record.id for record in seen} <= {record.id for record in log}:
        found.add("A11")
    elif any(log[record.position - 1] != record for record in seen):
        found.add("A8")
    missed = {record.position for record in log} - set(positions)
    if any(position < max(positions, default=0) for position in missed):
        found.add("A9")
    if any(position > max(positions, default=0) for position in missed):
        found.add("A14")
    return found


async def by_time(engine: SqliteEngine) -> AsyncGenerator[Sequence[Record], None]:
    """Goes on behind the time of the last record, as if no two had the same."""
    last, after = 0, 0
    while page := await engine.read(EVERYTHING, after=after, limit=PAGE):
        yield page
        last = page[-1].recorded
        later = [record for record in await engine.read(EVERYTHING, limit=10_000) if record.recorded > last]
        if not later:
            return
        after = later[0].position - 1


async def from_the_last(engine: SqliteEngine) -> AsyncGenerator[Sequence[Record], None]:
    """Goes on with the last record instead of behind it."""
    after = 0
    while page := await engine.read(EVERYTHING, after=after, limit=PAGE):
        yield page
        if len(page) < PAGE:
            return
        after = page[-1].position - 1


async def once(engine: SqliteEngine) -> AsyncGenerator[Sequence[Record], None]:
    """Takes the first short page for the end, and never looks again."""
    yield await engine.read(EVERYTHING, limit=PAGE)


NAIVE: dict[str, Naive] = {"A9": by_time, "A10": from_the_last, "A14": once}
"""By the anomaly that each of them shows."""


class Eavesdropper:
    """A hook that believes what it sees before it is committed. It refuses every write with this type of event."""

    def __init__(self, refused: str) -> None:
        self.seen: list[Record] = []
        self._refused = refused

    def begin(self, connection: Any, **_: Any) -> None:
        """Nothing."""

    def apply(self, records: Sequence[Record]) -> None:
        """Too early to believe it."""
        self.seen += records
        for record in records:
            if record.type == self._refused:
                raise ProjectionFailed("eavesdropper", "no", position=record.position, stream="", event_type="")

    def flush(self) -> None:
        """Nothing."""

    def end(self, *, is_committed: bool) -> None:
        """Nothing: that is its fault."""
