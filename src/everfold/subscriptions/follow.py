"""Following the log without a seam: the same loop reads what was there before and waits for what comes."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncGenerator, Callable, Sequence

import msgspec

from everfold.log.engine import LogEngine
from everfold.log.record import Record
from everfold.log.selection import Selection

__all__ = ["Span", "follow"]

PAGE = 1_000
WINDOW = 50_000
"""How many positions one read may cover, so that a rare type in a long log still shows progress."""


class Span(msgspec.Struct, frozen=True):
    """The selected records up to a position. There are no others at or before it, and never will be."""

    records: Sequence[Record]
    position: int
    head: int
    """Where the log ended when the span was read."""

    @property
    def is_last(self) -> bool:
        """Whether there was nothing after it."""
        return self.position >= self.head


async def follow(
    engine: LogEngine,
    selection: Selection,
    *,
    after: int,
    ends_in_merge: Callable[[Record], bool],
    until: int | None = None,
    page: int = PAGE,
    patience: float | None = None,
) -> AsyncGenerator[Span, None]:
    """Spans for ever, contiguous, beginning after a position. The next one is read while the last is dealt with.

    A span's position also covers records that are not selected. ``until``: where the log is taken to end.
    ``patience``: seconds after which a span without records comes although nothing happened, so that the caller can
    look around; the first span then comes at once. ``ends_in_merge``: see the codec.
    """

    async def read(after: int, head: int) -> Span:
        until = min(head, after + WINDOW)
        records = await engine.read(selection, after=after, until=until, limit=page)
        if len(records) < page:
            if records and records[-1].position == until < head and ends_in_merge(records[-1]):
                return Span(records[:-1], until - 1, head)  # the window ended between two that belong together
            return Span(records, until, head)
        if len(records) > 1 and ends_in_merge(records[-1]):
            records = records[:-1]
        return Span(records, records[-1].position, head)

    ahead: asyncio.Task[Span] | None = None
    pause = None if patience is None else 0.0
    try:
        while True:
            if ahead is not None:
                span, ahead = await ahead, None
            else:
                head = min(await engine.wait(after, pause), until if until is not None else sys.maxsize)
                span = await read(after, head) if head > after else Span((), after, head)
            after, pause = span.position, patience
            if not span.is_last:
                ahead = asyncio.create_task(read(after, span.head), name="everfold-read-ahead")
            yield span
    finally:
        if ahead is not None:
            ahead.cancel()
            await asyncio.gather(ahead, return_exceptions=True)
