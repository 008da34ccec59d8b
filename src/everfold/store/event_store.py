"""The event store: typed events appended to streams and read from the log, for those who need no aggregate."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Sequence
from datetime import datetime

from everfold.clock import to_micros
from everfold.codec.metadata import current_metadata, encode_metadata
from everfold.codec.pipeline import Codec
from everfold.errors import BrokenRule, Conflict
from everfold.identifiers import Position, check_stream
from everfold.log.catalogue import StreamInfo
from everfold.log.condition import Condition
from everfold.log.engine import Engine
from everfold.log.record import Record
from everfold.log.selection import EVERYTHING, Selection
from everfold.log.write import Appended, Conflicted, StreamAppend, Write
from everfold.store.committer import Committer

__all__ = ["EventStore", "conflict_of"]

PAGE = 1_000


class EventStore:
    """Appends and reads. All appends of a process to one log go through its one committer."""

    def __init__(self, engine: Engine, codec: Codec, committer: Committer) -> None:
        self.engine = engine
        self.codec = codec
        self.committer = committer

    def only_reading(self) -> EventStore:
        """The same store for those who may not record: handlers of queries."""
        return _OnlyReading(self.engine, self.codec, self.committer)

    async def append(
        self, stream: str, *events: object, expected: int | None = None, condition: Condition | None = None
    ) -> Appended:
        """Append events to one stream, atomically and durably.

        ``expected``: the version the stream must have (0: empty; None: any). ``condition``: a boundary over
        tags that must not have changed. Raises Conflict when one does not hold, InvalidEvent for what cannot be
        stored; in both cases nothing is stored.
        """
        metadata_json = encode_metadata(current_metadata())
        records = tuple([self.codec.encode_and_read(event, metadata_json)[0] for event in events])
        part = StreamAppend(check_stream(stream), records, expected)
        return await self.write(Write(appends=(part,), condition=condition))

    async def write(self, write: Write) -> Appended:
        """Commit a write as it is; Conflict when it did not hold."""
        outcome = await self.committer.commit(write)
        if isinstance(outcome, Appended):
            return outcome
        if isinstance(outcome, Conflicted):
            raise conflict_of(outcome)
        raise Conflict("An append with this idempotency key is stored already.")

    async def pages(
        self,
        selection: Selection = EVERYTHING,
        *,
        after: int = 0,
        until: int | None = None,
        backwards: bool = False,
        page: int = PAGE,
    ) -> AsyncGenerator[Sequence[Record], None]:
        """Selected records with after < position <= until, page by page, so that memory stays flat.

        Ends at the newest record there was when the last page was read. ``backwards``: newest first.
        """
        while True:
            records = await self.engine.read(selection, after=after, until=until, limit=page, backwards=backwards)
            if records:
                yield records
            if len(records) < page:
                return
            if backwards:
                until = records[-1].position - 1
            else:
                after = records[-1].position

    async def records(
        self,
        selection: Selection = EVERYTHING,
        *,
        after: int = 0,
        until: int | None = None,
        backwards: bool = False,
        limit: int | None = None,
    ) -> AsyncGenerator[Record, None]:
        """Selected records one by one, as stored and not decoded; at most ``limit``."""
        left = limit
        size = PAGE if limit is None else max(1, min(PAGE, limit))
        async for page in self.pages(selection, after=after, until=until, backwards=backwards, page=size):
            for record in page if left is None else page[:left]:
                yield record
            if left is not None:
                left -= len(page)
                if left <= 0:
                    return

    async def read(
        self, selection: Selection = EVERYTHING, *, after: int = 0, until: int | None = None, page: int = PAGE
    ) -> AsyncGenerator[tuple[object, Record], None]:
        """Selected events with their records, decoded and upcast, in the order of the log."""
        async for pairs in self.read_pages(selection, after=after, until=until, page=page):
            for pair in pairs:
                yield pair

    async def read_pages(
        self, selection: Selection = EVERYTHING, *, after: int = 0, until: int | None = None, page: int = PAGE
    ) -> AsyncGenerator[list[tuple[object, Record]], None]:
        """As ``read``, a list at a time: for bulk work, which then pays for no task switch per event."""
        held: list[Record] = []
        async for found in self.pages(selection, after=after, until=until, page=page):
            records = [*held, *found] if held else found
            held = []
            if self.codec.ends_in_merge(records[-1]):
                records, held = records[:-1], [records[-1]]
            yield list(self.codec.pairs(records))
        if held:
            yield list(self.codec.pairs(held))

    async def read_stream(
        self, stream: str, *, after: int = 0, until: int | None = None
    ) -> AsyncGenerator[tuple[object, Record], None]:
        """The events of one stream with after < version <= until, with their records, oldest first."""
        async for page in self.stream_pages(stream, after=after, until=until):
            for pair in self.codec.pairs(page):
                yield pair

    async def stream_pages(
        self, stream: str, *, after: int = 0, until: int | None = None, page: int = PAGE, bare: bool = False
    ) -> AsyncGenerator[Sequence[Record], None]:
        """The records of one stream, page by page. A page never ends between two records that merge.

        ``bare``: without id, metadata and tags, for folding.
        """
        while True:
            records = await self.engine.read_stream(stream, after=after, until=until, limit=page, bare=bare)
            is_last = len(records) < page
            if not is_last and len(records) > 1 and self.codec.ends_in_merge(records[-1]):
                records = records[:-1]
            if records:
                yield records
                after = records[-1].version
            if is_last:
                return

    async def head(self) -> Position:
        """The highest committed position; 0 for an empty log."""
        return Position(await self.engine.wait(-1))

    async def streams(self, *, prefix: str = "", after: str = "", limit: int = PAGE) -> Sequence[StreamInfo]:
        """A page of streams in order of their names."""
        return await self.engine.streams(prefix=prefix, after=after, limit=limit)

    async def position_at(self, moment: datetime) -> Position:
        """The last position recorded at or before the moment, found by bisection; 0 when there is none."""
        wanted = to_micros(moment)
        low, high = 0, int(await self.head())
        while low < high:
            middle = (low + high + 1) // 2
            found = await self.engine.read(EVERYTHING, after=middle - 1, limit=1)
            if found and found[0].recorded <= wanted:
                low = middle
            else:
                high = middle - 1
        return Position(low)


class _OnlyReading(EventStore):
    """Refuses to record."""

    async def write(self, write: Write) -> Appended:
        """BrokenRule."""
        raise BrokenRule("The handler of a query tried to record events. Queries change nothing: record in a command.")


def conflict_of(outcome: Conflicted) -> Conflict:
    """The error for a conflict that is given up on."""
    return Conflict(outcome.reason, stream=outcome.stream, expected=outcome.expected, actual=outcome.actual)
