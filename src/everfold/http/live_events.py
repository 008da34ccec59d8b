"""Following the log live: first what was there, then what happens, as server-sent events. Used by the live routes."""

from __future__ import annotations

import time
from collections.abc import AsyncGenerator

import msgspec

from everfold.http.json_response import encode
from everfold.http.live_tail import LiveTail, pieces, record_frame
from everfold.http.server_sent_events import RETRY, Reset, frame, reset_frame
from everfold.log.selection import Selection

__all__ = ["LiveEvents"]

FIRST_PAGE, LARGEST_PAGE = 50, 500
PAGE_BYTES = 1024 * 1024
"""How much a client that is behind is to hold at a time: few events when they are large."""
WINDOW = 50_000
"""How many positions one read may cover, so that a rare event in a long log still shows progress."""


class Reached(msgspec.Struct, frozen=True):
    """Of ``caught-up`` and ``heartbeat``: everything that is wanted up to here has been sent."""

    position: int


class LiveEvents:
    """What one client is sent: each selected record behind a position once, in order, for ever."""

    def __init__(self, tail: LiveTail, selection: Selection, *, after: int, heartbeat: float) -> None:
        """``heartbeat``: after how many seconds of silence it hears that nothing happens."""
        self._engine = tail.engine
        self._tail = tail
        self._selection = selection
        self._position = after
        self._heartbeat = heartbeat
        self._told = time.monotonic()
        """When it has heard something last."""
        self._is_live = False
        self._page = FIRST_PAGE

    async def frames(self) -> AsyncGenerator[bytes, None]:
        """The frames, for ever. Ends with a reset when the log cannot be followed."""
        yield RETRY
        try:
            async with self._tail.followed():
                head = await self._engine.wait(-1)
                if self._position > head:
                    detail = f"Position {self._position} is beyond the log, which ends at {head}."
                    yield reset_frame(Reset("beyond-the-log", detail), head)
                    return
                while True:
                    is_behind = self._position < self._tail.start
                    found = await self._read() if is_behind else await self._next()
                    if not found and time.monotonic() >= self._told + self._heartbeat:
                        found = [self._reached("heartbeat")]
                    for piece in found:
                        yield piece
                        self._told = time.monotonic()
        except Exception as error:
            yield reset_frame(error, self._position)

    async def _read(self) -> list[bytes]:
        """The next of what the tail does not have any more, or never had."""
        self._is_live = False
        limit, after = self._page, self._position
        until = min(self._tail.position, after + WINDOW)
        records = await self._engine.read(self._selection, after=after, until=until, limit=limit)
        self._position = records[-1].position if len(records) == limit else until
        frames = [record_frame(record) for record in records]
        if frames:
            self._page = max(1, min(LARGEST_PAGE, PAGE_BYTES * len(frames) // sum(map(len, frames))))
        return [b"".join(frames[start:end]) for start, end in pieces(frames)]

    async def _next(self) -> list[bytes]:
        """The next of the tail; nothing, after some time, when nothing happens."""
        found = self._tail.beyond(self._position)
        chunks = [chunk for batch in found if (chunk := batch.chunk(self._selection, self._position))]
        if found:
            self._position = found[-1].position
        if not self._is_live and self._position >= self._tail.position:
            self._is_live = True
            chunks.append(self._reached("caught-up"))
        if not found and not chunks:
            await self._tail.change(self._position)
        return chunks if len(chunks) < 2 else [b"".join(chunks)]

    def _reached(self, event: str) -> bytes:
        return frame(event, encode(Reached(self._position)), self._position)
