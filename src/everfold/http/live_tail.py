"""The end of the log, read once for all who follow it. Each event is encoded once, whoever receives it.

Clients hold a position and nothing else. Who is behind what is kept here reads the log for itself, page by page,
until it is not: positions have no gaps, so there is no seam between the two. Used by the live routes.
"""

from __future__ import annotations

import asyncio
from bisect import bisect_right
from collections import deque
from collections.abc import AsyncGenerator, Iterator, Sequence
from contextlib import asynccontextmanager
from itertools import islice

from everfold.engines.head_watch import HeadWatch
from everfold.http.json_response import encode
from everfold.http.server_sent_events import frame
from everfold.log.engine import LogEngine
from everfold.log.record import Record
from everfold.log.record_json import record_json
from everfold.log.selection import EVERYTHING, Selection

__all__ = ["Batch", "LiveTail", "pieces", "record_frame"]

PAGE = 500
PAUSE, PAUSE_PER_CLIENT, LONGEST_PAUSE = 0.005, 0.0002, 0.25
"""Seconds until the log is looked at again: what happens meanwhile goes out together, so that sending to many leaves
time for everything else. An event that comes after a pause goes at once."""
PIECE_BYTES = 64 * 1024
KEPT_BYTES = 1024 * 1024
"""How much of the end of the log is kept, as it is sent."""
KEPT_CHUNKS = 32


class Batch:
    """The records after one position up to another, as they are sent: few enough to be sent at once."""

    __slots__ = ("_chunks", "_frames", "_records", "after", "position", "size")

    def __init__(self, after: int, records: Sequence[Record], frames: Sequence[bytes]) -> None:
        self.after = after
        self.position = records[-1].position
        self.size = sum(map(len, frames))
        self._records = records
        self._frames = frames
        self._chunks: dict[Selection, bytes] = {}

    def chunk(self, selection: Selection, after: int) -> bytes:
        """The frames of the selected records behind a position; made once for all who want the same."""
        if after > self.after:
            return self._chunk(selection, after)
        found = self._chunks.get(selection)
        if found is None:
            found = self._chunk(selection, after)
            if len(self._chunks) < KEPT_CHUNKS:
                self._chunks[selection] = found
        return found

    def _chunk(self, selection: Selection, after: int) -> bytes:
        pairs = zip(self._records, self._frames, strict=True)
        return b"".join([text for record, text in pairs if record.position > after and selection.matches(record)])


def record_frame(record: Record) -> bytes:
    """One record as it is sent."""
    return frame("event", encode(record_json(record)), record.position)


def pieces(frames: Sequence[bytes]) -> Iterator[tuple[int, int]]:
    """Which frames (from, to) are sent at once: about 64 KiB."""
    start, size = 0, 0
    for end, text in enumerate(frames, 1):
        size += len(text)
        if size >= PIECE_BYTES or end == len(frames):
            yield start, end
            start, size = end, 0


class LiveTail:
    """Read while anybody follows."""

    def __init__(self, engine: LogEngine, *, tick: float) -> None:
        """``tick``: after so many seconds those who wait are woken, although nothing happened."""
        self.engine = engine
        self._tick = tick
        self._kept: deque[Batch] = deque()
        self._kept_bytes = 0
        self._watch = HeadWatch()
        self._followers = 0
        self._reading: asyncio.Task[None] | None = None
        self._failure: Exception | None = None
        self.start = 0
        """Who has everything up to here finds the rest in this tail."""
        self.position = 0
        """Where it ends."""

    @asynccontextmanager
    async def followed(self) -> AsyncGenerator[None]:
        """Keep it going as long as the block runs."""
        self._followers += 1
        try:
            if self._reading is None or self._reading.done():
                await self._begin()
            yield
        finally:
            self._followers -= 1
            if not self._followers:
                await self._stop()

    async def _begin(self) -> None:
        head = await self.engine.wait(-1)
        if self._reading is None or self._reading.done():  # nobody else has, while we waited
            self._kept.clear()
            self._kept_bytes, self._failure = 0, None
            self.start = self.position = head
            self._reading = asyncio.create_task(self._read(), name="everfold-live-tail")

    async def _stop(self) -> None:
        reading, self._reading = self._reading, None
        if reading is not None:
            reading.cancel()
            await asyncio.gather(reading, return_exceptions=True)

    async def _read(self) -> None:
        try:
            while True:
                head = await self.engine.wait(self.position, self._tick)
                if head == self.position:
                    self._watch.wake_all()
                    continue
                while self.position < head:
                    self._publish(await self.engine.read(EVERYTHING, after=self.position, until=head, limit=PAGE))
                await asyncio.sleep(min(PAUSE + PAUSE_PER_CLIENT * self._followers, LONGEST_PAUSE))
        except Exception as error:
            self._failure = error
            self._watch.wake_all()

    def _publish(self, records: Sequence[Record]) -> None:
        frames = [record_frame(record) for record in records]
        for start, end in pieces(frames):
            batch = Batch(self.position, records[start:end], frames[start:end])
            self._kept.append(batch)
            self._kept_bytes += batch.size
            self.position = batch.position
        while self._kept_bytes > KEPT_BYTES and len(self._kept) > 1:
            dropped = self._kept.popleft()
            self._kept_bytes -= dropped.size
            self.start = dropped.position
        self._watch.wake_all()

    def beyond(self, position: int) -> list[Batch]:
        """The next batches behind this position, enough to be sent at once. What is before ``start`` is not kept."""
        first = bisect_right(self._kept, position, key=_position)
        found: list[Batch] = []
        size = 0
        for batch in islice(self._kept, first, None):
            found.append(batch)
            size += batch.size
            if size >= PIECE_BYTES:
                break
        return found

    async def change(self, position: int) -> None:
        """Wait until it is beyond this position, or for a tick. Raises what has ended the reading."""
        if self._failure is not None:
            raise self._failure
        if self.position <= position:
            await self._watch.change(None)


def _position(batch: Batch) -> int:
    return batch.position
