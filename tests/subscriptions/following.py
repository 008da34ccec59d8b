"""What follows the log in these tests: records to append, and a consumer that does as it is told."""

from __future__ import annotations

from collections.abc import Sequence

from everfold.engines.memory.engine import MemoryEngine
from everfold.log.record import NewRecord, Record
from everfold.log.selection import Selection
from everfold.log.write import StreamAppend, Write
from everfold.subscriptions.subscription import Paused, Poison


class Log(MemoryEngine):
    """A log in memory that counts its reads, and can be told to fail."""

    def __init__(self) -> None:
        super().__init__()
        self.reads = 0
        self.read_failures: list[Exception] = []
        self._made = 0

    async def add(self, *types: str, stream: str = "things-1") -> None:
        """Append one write of records of these types."""
        records: list[NewRecord] = []
        for type in types:
            self._made += 1
            records.append(NewRecord(type, 1, f"{self._made:08x}-0000-7000-8000-000000000000", "{}"))
        await self.append([Write(appends=(StreamAppend(stream, tuple(records), None),))])

    async def read(
        self,
        selection: Selection,
        *,
        after: int = 0,
        until: int | None = None,
        limit: int,
        backwards: bool = False,
    ) -> Sequence[Record]:
        self.reads += 1
        if self.read_failures:
            raise self.read_failures.pop(0)
        return await super().read(selection, after=after, until=until, limit=limit, backwards=backwards)


class Scripted:
    """A consumer that keeps everything in memory. ``failures``: what to raise at a position, and how often."""

    def __init__(self, *, name: str = "scripted", types: tuple[str, ...] = ()) -> None:
        self.name = name
        self.selection = Selection(types=types)
        self.position = 0
        self.handled: list[int] = []
        self.parked: list[tuple[int, int]] = []
        self.tokens: list[int] = []
        self.caught: list[int] = []
        self.prepared = 0
        self.paused: str | None = None
        self.failures: dict[int, int] = {}
        self.errors: dict[str, list[BaseException]] = {}
        """By method: what the next calls raise."""

    def ends_in_merge(self, record: Record) -> bool:
        return False

    def _fail(self, method: str) -> None:
        waiting = self.errors.get(method)
        if waiting:
            raise waiting.pop(0)

    async def prepare(self) -> None:
        self.prepared += 1
        self._fail("prepare")

    async def resume(self, token: int) -> int:
        self._fail("resume")
        if self.paused is not None:
            raise Paused(self.paused)
        self.tokens.append(token)
        return self.position

    async def consume(self, records: Sequence[Record], position: int) -> int:
        self._fail("consume")
        if self.paused is not None:
            raise Paused(self.paused)
        handled = 0
        for record in records:
            if self.failures.get(record.position, 0):
                self.failures[record.position] -= 1
                self.position = record.position - 1
                raise Poison(record, ValueError("no"), handled=handled)
            self.handled.append(record.position)
            handled += 1
        self.position = position
        return handled

    async def park(self, poison: Poison, attempts: int) -> None:
        self._fail("park")
        self.parked.append((poison.record.position, attempts))
        self.position = poison.record.position

    async def pause(self, reason: str) -> None:
        self.paused = reason

    async def caught_up(self) -> None:
        self._fail("caught_up")
        self.caught.append(self.position)
