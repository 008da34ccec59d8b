"""Streams that are to be folded, read together: however many are asked for while a read is under way, one query gets.

A query of its own costs the client ten times what one more stream in a query does. Nobody waits for others to come: an
idle reader begins at once. Used by the engine.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from typing import Any

from everfold.engines.pages import Range
from everfold.engines.postgres.connection import HeldConnection
from everfold.engines.postgres.reader import Reader, bare_record
from everfold.log.record import Record

__all__ = ["StreamLoads"]

MOST_STREAMS = 64
MOST_READS = 2
Ask = Callable[[Callable[[HeldConnection], list[list[Record]]]], Awaitable[list[list[Record]]]]
_Wanted = tuple[str, Range]
_Waiting = tuple[_Wanted, "asyncio.Future[list[Record]]"]


class StreamLoads:
    """What is waiting to be read, and the few reads under way."""

    def __init__(self, ask: Ask, reader: Reader) -> None:
        """``ask`` has a job done with one of the connections that read."""
        self._ask = ask
        self._reader = reader
        self._waiting: deque[_Waiting] = deque()
        self._reads: set[asyncio.Task[None]] = set()

    async def load(self, stream: str, span: Range) -> list[Record]:
        """Records of one stream, oldest first, without id, metadata and tags; the span counts versions."""
        future: asyncio.Future[list[Record]] = asyncio.get_running_loop().create_future()
        self._waiting.append(((stream, span), future))
        if len(self._reads) < MOST_READS:
            task = asyncio.create_task(self._read_all(), name="everfold-postgres-loads")
            self._reads.add(task)
            task.add_done_callback(self._reads.discard)
        return await future

    async def _read_all(self) -> None:
        # The task starts only after every task that is ready now has run: what they ask for is in the first query.
        while batch := self._take():
            try:
                pages = await self._ask(partial(read_streams, self._reader, [wanted for wanted, _ in batch]))
            except BaseException as error:
                for _, future in batch:
                    if not future.done():
                        future.set_exception(error)
                if not isinstance(error, Exception):
                    raise
                continue
            for (_, future), page in zip(batch, pages, strict=True):
                if not future.done():
                    future.set_result(page)

    def _take(self) -> list[_Waiting]:
        batch: list[_Waiting] = []
        while self._waiting and len(batch) < MOST_STREAMS:
            entry = self._waiting.popleft()
            if not entry[1].done():  # a caller that gave up
                batch.append(entry)
        return batch


def read_streams(reader: Reader, wanted: Sequence[_Wanted], connection: HeldConnection) -> list[list[Record]]:
    """A page of each of these streams, from one view of the log."""
    if len(wanted) == 1:
        (stream, span) = wanted[0]
        return [reader.bare_stream(stream, span, connection)]
    rows: list[Any] = reader.execute(
        connection,
        "read_streams_bare",
        streams=[stream for stream, _ in wanted],
        afters=[span.after for _, span in wanted],
        untils=[span.until for _, span in wanted],
        limits=[span.limit for _, span in wanted],
    ).fetchall()
    pages: list[list[Record]] = [[] for _ in wanted]
    for row in rows:
        number: int = row[0]
        pages[number - 1].append(bare_record(wanted[number - 1][0], *row[1:]))
    return pages
