"""Events that a projection set aside: look at them, try them again, give it a mended one, or skip one for a reason.

The record in the log never changes. What a projection is given otherwise is kept beside, with who and why, and holds
for every later build of it, so that a rebuild gives what the live tables have.
"""

from __future__ import annotations

import traceback
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

import msgspec

from everfold.clock import Clock
from everfold.codec.pipeline import Codec
from everfold.errors import InvalidMessage, NotFound, ProjectionFailed
from everfold.log.engine import LogEngine
from everfold.log.read_database import ReadDatabase
from everfold.log.record import Record
from everfold.log.selection import EVERYTHING, Selection
from everfold.projections.build_consumer import apart, guilty
from everfold.projections.build_writer import BuildWriter, FlushFailed
from everfold.projections.projection import Projection
from everfold.subscriptions.bookkeeping import Parked, execute, rows

__all__ = ["Parking", "Retried", "parked_events"]

AT_ONCE = 200
_decode = msgspec.json.Decoder(dict[str, Any]).decode


class Retried(msgspec.Struct, frozen=True):
    """What came of trying again."""

    applied: int
    """Events that were applied, or skipped, and are off the list."""
    still_parked: Parked | None
    """The event that failed again: those behind it wait on."""


async def parked_events(database: ReadDatabase, name: str = "") -> list[Parked]:
    """The events that projections (or one of them) gave up on. Those that wait behind are not listed."""
    return await database.read(lambda c: rows(c, database.dialect, "read_parked", Parked, name=name))


class Parking:
    """The events that one build of a projection set aside."""

    def __init__(
        self,
        projection: type[Projection],
        build: int,
        *,
        engine: LogEngine,
        database: ReadDatabase,
        codec: Codec,
        clock: Clock,
    ) -> None:
        self._name = projection.__everfold__.name
        self._build = build
        self._engine = engine
        self._database = database
        self._clock = clock
        self._writer = BuildWriter(projection, build, dialect=database.dialect, codec=codec, clock=clock)

    async def behind(self, stream: str) -> list[Parked]:
        """The first events of a stream that are set aside, in order, up to 200."""
        return await self._database.read(partial(self._waiting, stream=stream))

    async def retry(self, stream: str) -> Retried:
        """Apply the events of a stream that were set aside, in order, until one fails again or none is left."""
        applied = 0
        while True:
            waiting: list[Parked] = await self._database.read(partial(self._waiting, stream=stream))
            if not waiting:
                return Retried(applied, None)
            records = await self._records(stream, waiting)
            done, failed = await self._apply(records)
            applied += done
            if failed is not None:
                left: list[Parked] = await self._database.read(partial(self._waiting, stream=stream))
                return Retried(applied, left[0] if left else None)

    async def skip(self, position: int, *, reason: str, actor: str) -> Retried:
        """Have the projection do without an event, for ever; then try those behind it."""
        return await self._amend(position, None, reason=reason, actor=actor)

    async def substitute(self, position: int, data: str, *, reason: str, actor: str) -> Retried:
        """Give the projection other fields (JSON text) for an event; then try it, and those behind it."""
        try:
            _decode(data)
        except msgspec.DecodeError as error:
            raise InvalidMessage("The event", f"its fields are no JSON object ({error}).") from error
        return await self._amend(position, data, reason=reason, actor=actor)

    async def _amend(self, position: int, data: str | None, *, reason: str, actor: str) -> Retried:
        if not reason.strip():
            raise InvalidMessage("The decision", "it has no reason. Say why, for those who come after you.")
        record = await self._record(position)
        values = {"data": data, "reason": reason, "actor": actor, "amended": self._clock.micros()}
        await self._database.write(partial(self._note, position=position, values=values))
        return await self.retry(record.stream)

    def _note(self, connection: Any, position: int, values: Mapping[str, object]) -> None:
        dialect = self._database.dialect
        execute(connection, dialect, "amend", name=self._name, position=position, **values)
        execute(connection, dialect, "touch_all", name=self._name)  # a build under way reads it before its next batch

    async def _record(self, position: int) -> Record:
        parked = await parked_events(self._database, self._name)
        if not any(each.position == position and each.build == self._build for each in parked):
            raise NotFound("event set aside at position", str(position), f"See: everfold parked list {self._name}.")
        return (await self._engine.read(EVERYTHING, after=position - 1, limit=1))[0]

    def _waiting(self, connection: Any, stream: str) -> list[Parked]:
        values = {"name": self._name, "build": self._build, "stream": stream, "limit": AT_ONCE}
        return rows(connection, self._database.dialect, "read_parked_stream", Parked, **values)

    async def _records(self, stream: str, waiting: Sequence[Parked]) -> list[Record]:
        wanted = {each.position for each in waiting}
        found: list[Record] = []
        after, until = waiting[0].position - 1, waiting[-1].position
        while after < until:
            page = await self._engine.read(Selection(stream=stream), after=after, until=until, limit=AT_ONCE)
            found.extend(record for record in page if record.position in wanted)
            if len(page) < AT_ONCE:
                break
            after = page[-1].position
        if len(waiting) == AT_ONCE and self._writer.ends_in_merge(found[-1]):
            del found[-1]  # it comes again, with the one that it is merged with
        return found

    async def _apply(self, records: Sequence[Record]) -> tuple[int, BaseException | None]:
        try:
            return await self._database.write(partial(self._writer.retry, records=records)), None
        except ProjectionFailed as error:
            number = guilty(records, error.position, self._writer.merges)
            failure: BaseException = error.__cause__ or error
        except FlushFailed as error:
            parts = apart(records, self._writer.merges)
            if len(parts) > 1:
                return await self._one_by_one(parts)
            number, failure = 0, error.__cause__ or error
        done = await self._database.write(partial(self._writer.retry, records=records[:number])) if number else 0
        await self._database.write(partial(self._failed, position=records[number].position, error=failure))
        return done, failure

    async def _one_by_one(self, parts: Sequence[Sequence[Record]]) -> tuple[int, BaseException | None]:
        done = 0
        for part in parts:
            applied, failure = await self._apply(part)
            done += applied
            if failure is not None:
                return done, failure
        return done, None

    def _failed(self, connection: Any, position: int, error: BaseException) -> None:
        values = {
            "error": f"{type(error).__name__}: {error}",
            "traceback": "".join(traceback.format_exception(error)),
            "parked": self._clock.micros(),
        }
        dialect = self._database.dialect
        execute(connection, dialect, "attempt_failed", name=self._name, build=self._build, position=position, **values)
