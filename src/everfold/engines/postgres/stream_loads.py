"""Streams that are to be folded, read together: however many are asked for while a read is under way, one query gets.

A query of its own costs the client ten times what one more stream in a query does. Nobody waits for others to come: an
idle reader begins at once. Used by the engine.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from typing import Any

from everfold.engines.gathered import Done, Gathered
from everfold.engines.pages import Range
from everfold.engines.postgres.connection import HeldConnection
from everfold.engines.postgres.reader import Reader, bare_record
from everfold.log.record import Record

__all__ = ["StreamLoads"]

MOST_STREAMS = 64
Ask = Callable[[Callable[[HeldConnection], list[list[Record]]]], Awaitable[list[list[Record]]]]
_Wanted = tuple[str, Range]


class StreamLoads:
    """Reads streams, those that are asked for at the same time by one query."""

    def __init__(self, ask: Ask, reader: Reader) -> None:
        """``ask`` has a job done with one of the connections that read."""
        self._ask = ask
        self._reader = reader
        self._gathered: Gathered[_Wanted] = Gathered(self._read, most=MOST_STREAMS, name="everfold-postgres-loads")

    async def load(self, stream: str, span: Range) -> list[Record]:
        """Records of one stream, oldest first, without id, metadata and tags; the span counts versions."""
        page: list[Record] = await self._gathered.ask((stream, span))
        return page

    async def _read(self, wanted: list[_Wanted]) -> list[Done]:
        return [(page, None) for page in await self._ask(partial(read_streams, self._reader, wanted))]


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
