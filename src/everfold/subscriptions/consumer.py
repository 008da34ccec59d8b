"""Consumers: functions that are told of events, each at least once and those of a stream in order.

Their position is kept in the log's own database and moves after they returned, so that nothing is missed. After a
crash the last events come again: ``record.id`` tells them apart. Used by the app for ``@app.consumes``.
"""

from __future__ import annotations

import traceback
from collections.abc import Awaitable, Callable, Iterable, Sequence
from functools import partial
from typing import Any

from everfold.clock import Clock
from everfold.codec.pipeline import Codec
from everfold.errors import CodecError
from everfold.log.read_database import ReadDatabase
from everfold.log.record import Record
from everfold.log.selection import Selection
from everfold.subscriptions.amending import amend
from everfold.subscriptions.bookkeeping import (
    Amended,
    ConsumerRow,
    begin_batch,
    execute,
    executemany,
    rows,
    take_turns,
)
from everfold.subscriptions.partition import Part
from everfold.subscriptions.subscription import Fenced, Moved, Paused, Poison

__all__ = ["ACTIVE", "EventConsumer", "Handle"]

Handle = Callable[[object, Record], Awaitable[None]]
ACTIVE = "active"
SAVE_EVERY = 100
"""Events after which the position is kept: as many may come again after a crash."""


class EventConsumer:
    """One part of a consumer. Driven by a ``Subscription``."""

    def __init__(
        self,
        name: str,
        handle: Handle,
        *,
        events: Iterable[type],
        part: Part,
        start: Callable[[], Awaitable[int]],
        database: ReadDatabase,
        codec: Codec,
        clock: Clock,
    ) -> None:
        """``start`` gives the position at which a consumer that is new begins."""
        self.title = name
        self.part = part
        self.selection = Selection(types=codec.stored_types(tuple(events)))
        self.ends_in_merge = codec.ends_in_merge
        self._handle = handle
        self._start = start
        self._database = database
        self._codec = codec
        self._clock = clock
        self._token = 0
        self._position = 0
        self._epoch = -1
        self._behind: set[str] = set()
        self._amended: dict[int, Amended] = {}

    @property
    def name(self) -> str:
        """The name of its lease."""
        return f"consumer {self.title} {self.part.number} of {self.part.of}"

    async def prepare(self) -> None:
        """Make the bookkeeping of this part, if there is none."""
        found = await self._database.read(self._rows)
        if not any(row.build == self.part.build for row in found):
            # With another number of parts: from where the slowest of the old ones is, so that nothing is missed.
            start = min(row.position for row in found) if found else await self._start()
            await self._database.write(partial(self._create, start=start))

    def _rows(self, connection: Any) -> list[ConsumerRow]:
        return rows(connection, self._database.dialect, "read_builds", ConsumerRow, name=self.title)

    def _create(self, connection: Any, start: int) -> None:
        take_turns(connection, self._database.dialect)
        if any(row.build == self.part.build for row in self._rows(connection)):
            return
        values = {"fingerprint": "", "state": ACTIVE, "position": start, "recorded": self._clock.micros()}
        dialect = self._database.dialect
        execute(connection, dialect, "insert_build", name=self.title, build=self.part.build, **values)

    async def resume(self, token: int) -> int:
        """Take the fence; the position to go on from."""
        self._token = token
        self._position = await self._database.write(self._begin)
        return self._position

    def _begin(self, connection: Any) -> int:
        dialect = self._database.dialect
        row = begin_batch(connection, dialect, name=self.title, build=self.part.build, token=self._token)
        if row is None:
            raise Fenced
        _, position, _, self._epoch, paused = row
        if paused is not None:
            raise Paused(paused)
        behind = execute(connection, dialect, "streams_behind", name=self.title).fetchall()
        self._behind = {stream for (stream,) in behind}
        amended: list[Amended] = rows(connection, dialect, "read_amended", Amended, name=self.title)
        self._amended = {each.position: each for each in amended}
        return int(position)

    async def consume(self, records: Sequence[Record], position: int) -> int:
        """Handle the events of this part's streams, one after the other, and keep the position."""
        await self._look()
        mine = [record for record in records if self.part.has(record)]
        if not mine and position <= self._position:
            return 0
        handled = 0
        waiting = [record for record in mine if record.stream in self._behind]
        due = [record for record in mine if record.stream not in self._behind]
        last: Record | None = None
        try:
            for event, record in self._codec.pairs(amend(due, self._amended)):
                if last is not None and record is not last and handled % SAVE_EVERY == 0:
                    await self._save(last.position, waiting)
                last = record
                await self._handle(event, record)
                handled += 1
        except Exception as error:
            poison = Poison(_guilty(error, due, last), error, handled=handled)
            await self._save(poison.record.position - 1, waiting)
            raise poison from error
        await self._save(position, waiting)
        return handled

    async def _look(self) -> None:
        """See whether somebody paused it, or tried again what it had set aside."""
        found = await self._database.read(self._rows)
        row = next((row for row in found if row.build == self.part.build), None)
        if row is None or row.token > self._token:
            raise Fenced
        if row.paused is not None:
            raise Paused(row.paused)
        if row.epoch != self._epoch or row.position != self._position:
            raise Moved

    async def _save(self, position: int, waiting: Sequence[Record]) -> None:
        if position > self._position:
            await self._database.write(partial(self._advance, position=position, waiting=waiting))
            self._position = position

    def _advance(self, connection: Any, position: int, waiting: Sequence[Record]) -> None:
        dialect = self._database.dialect
        values: dict[str, object] = {"name": self.title, "build": self.part.build}
        row = begin_batch(connection, dialect, name=self.title, build=self.part.build, token=self._token)
        if row is None:
            raise Fenced
        if row[3] != self._epoch:  # a stream that we held events back of may be free again: see them once more
            raise Moved
        beside = {"error": "", "traceback": "", "attempts": 0, "state": "waiting", "parked": self._clock.micros()}
        parked = [{**values, **beside, **_place(record)} for record in waiting if record.position <= position]
        if parked:
            executemany(connection, dialect, "insert_parked", parked)
        recorded = self._clock.micros()
        execute(connection, dialect, "advance", position=position, changed=position, recorded=recorded, **values)

    async def park(self, poison: Poison, attempts: int) -> None:
        """Set the event aside and go past it; the later ones of its stream wait."""
        await self._database.write(partial(self._park, poison=poison, attempts=attempts))
        self._position = poison.record.position
        self._behind.add(poison.record.stream)

    def _park(self, connection: Any, poison: Poison, attempts: int) -> None:
        self._advance(connection, poison.record.position, ())
        values = {
            "name": self.title,
            "build": self.part.build,
            "state": "parked",
            "attempts": attempts,
            "error": f"{type(poison.error).__name__}: {poison.error}",
            "traceback": "".join(traceback.format_exception(poison.error)),
            "parked": self._clock.micros(),
        }
        execute(connection, self._database.dialect, "insert_parked", **values, **_place(poison.record))

    async def pause(self, reason: str) -> None:
        """Pause every part."""
        dialect = self._database.dialect
        await self._database.write(lambda c: execute(c, dialect, "pause", name=self.title, paused=reason))

    async def caught_up(self) -> None:
        """Nothing is to be done then."""


def _place(record: Record) -> dict[str, object]:
    return {"position": record.position, "stream": record.stream, "type": record.type}


def _guilty(error: Exception, records: Sequence[Record], last: Record | None) -> Record:
    """The record that an error is about: the one that was handled, or the one that could not be decoded."""
    if isinstance(error, CodecError):
        position = getattr(error, "position", 0)
        return next((record for record in records if record.position == position), last or records[0])
    return last or records[0]
