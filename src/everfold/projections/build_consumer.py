"""Brings one build of a projection forward, batch by batch, and finds the event that a failed batch is to blame on.

Used by the runner (along the log), and by whatever builds a projection at once: rebuilds, comparisons, the past.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from functools import partial
from time import monotonic
from typing import TypeVar

from everfold.errors import ProjectionFailed
from everfold.log.engine import LogEngine
from everfold.log.read_database import ReadDatabase
from everfold.log.record import Record
from everfold.projections.build_writer import Applied, BuildWriter, FlushFailed
from everfold.subscriptions.follow import Span, follow
from everfold.subscriptions.subscription import Poison, beyond

__all__ = ["BuildConsumer", "apart", "build_up", "guilty"]

T = TypeVar("T")
Progress = Callable[[int, int], None]
"""Called with the position reached and the one to reach."""
Merges = Callable[[Record, Record], bool]
"""Whether two neighbours are read as one pair."""
REST = 4
"""How long to rest between batches for others, in times of what the batch took."""
LONGEST_REST = 0.1
"""In seconds: what took long has itself been waiting for the others, and would otherwise wait for ever longer."""


class BuildConsumer:
    """Writes batches to one build through a read database."""

    def __init__(self, writer: BuildWriter, database: ReadDatabase) -> None:
        self.writer = writer
        self.database = database
        self.position = 0
        self.changed = 0
        self.token = 0

    async def resume(self, token: int) -> int:
        """Take the fence; the position of the build. Raises Fenced or Paused."""
        self.token = token
        self.position, self.changed = await self._write(partial(self.writer.resume, token=token))
        return self.position

    async def consume(self, records: Sequence[Record], position: int) -> int:
        """Apply the records, in one transaction with the position; how many were handled.

        Raises Poison for the first record that cannot be applied; those before it are then applied.
        """
        try:
            return await self._apply(records, position)
        except ProjectionFailed as error:
            number = guilty(records, error.position, self.writer.merges)
            poison = Poison(records[number], error)
        except FlushFailed as error:
            parts = apart(records, self.writer.merges)
            if len(parts) > 1:
                return await self._one_by_one(parts, position)
            raise Poison(records[0], error.__cause__ or error) from error
        if number:
            poison.handled = await self.consume(records[:number], poison.record.position - 1)
        raise poison

    async def _one_by_one(self, parts: Sequence[Sequence[Record]], position: int) -> int:
        handled = 0
        for part in parts:
            try:
                handled += await self.consume(part, part[-1].position)
            except Poison as poison:
                poison.handled = handled
                raise
        return handled + await self._apply([], position)

    async def _apply(self, records: Sequence[Record], position: int) -> int:
        if position <= self.position and not records:
            return 0
        job = partial(self.writer.apply, records=records, after=self.position, position=position, token=self.token)
        applied: Applied = await self._write(job)
        self.position, self.changed = applied.position, applied.changed
        return applied.handled

    async def park(self, poison: Poison, attempts: int) -> None:
        """Set the record aside, and go past it."""
        job = partial(self.writer.park, record=poison.record, error=poison.error, attempts=attempts, token=self.token)
        await self._write(job)
        self.position = poison.record.position

    async def _write(self, job: Callable[..., T]) -> T:
        try:
            return await self.database.write(job)
        except BaseException:
            self.writer.undone()
            raise


def guilty(records: Sequence[Record], position: int, merges: Merges) -> int:
    """The place of the record at a position; of one that is merged with the one before it, the place of that one."""
    number = next(n for n, record in enumerate(records) if record.position == position)
    return number - 1 if number and merges(records[number - 1], records[number]) else number


def apart(records: Sequence[Record], merges: Merges) -> list[list[Record]]:
    """Each record for itself, but pairs that are merged together."""
    parts: list[list[Record]] = []
    for record in records:
        if parts and merges(parts[-1][-1], record):
            parts[-1].append(record)
        else:
            parts.append([record])
    return parts


async def build_up(
    engine: LogEngine,
    consumer: BuildConsumer,
    *,
    until: int,
    progress: Progress | None = None,
    gives_way: bool = False,
) -> None:
    """Bring a build up to a position at once. An event that cannot be applied is set aside without another try.

    ``gives_way``: rest between batches while others append, so that they hardly notice.
    """
    writer = consumer.writer
    if consumer.position >= until:
        return
    spans = follow(engine, writer.selection, after=consumer.position, until=until, ends_in_merge=writer.ends_in_merge)
    head, started = until, monotonic()
    try:
        async for span in spans:
            await _consume(consumer, span)
            if progress:
                progress(span.position, until)
            if span.position >= until:
                return
            if gives_way:
                before, head = head, await engine.wait(-1)
                if head > before:
                    await asyncio.sleep(min(REST * (monotonic() - started), LONGEST_REST))
                started = monotonic()
    finally:
        await spans.aclose()


async def _consume(consumer: BuildConsumer, span: Span) -> None:
    records = span.records
    while True:
        try:
            await consumer.consume(records, span.position)
            return
        except Poison as poison:
            await consumer.park(poison, 1)
            records = beyond(records, poison.record.position)
