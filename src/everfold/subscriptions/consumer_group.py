"""All parts of one consumer in this process: as many as its share are run, the others are left to other processes."""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from functools import partial

import msgspec

from everfold.clock import Clock
from everfold.codec.pipeline import Codec
from everfold.errors import NotFound, StoreError
from everfold.log.engine import Engine
from everfold.log.record import Record
from everfold.log.selection import Selection
from everfold.subscriptions.amending import amend
from everfold.subscriptions.bookkeeping import Amended, ConsumerRow, Parked, execute, rows
from everfold.subscriptions.consumer import EventConsumer, Handle
from everfold.subscriptions.lease import Leases
from everfold.subscriptions.life_cycle import State
from everfold.subscriptions.partition import Membership, Part
from everfold.subscriptions.subscription import Around, Subscription, unwatched

__all__ = ["ConsumerGroup", "ConsumerStatus", "GroupTools", "Handled"]

_log = logging.getLogger("everfold.subscriptions")
AT_ONCE = 200


class GroupTools(msgspec.Struct, frozen=True, kw_only=True):
    """What consumers work with."""

    engine: Engine
    codec: Codec
    clock: Clock
    rng: random.Random
    owner: str
    lease_seconds: float
    around: Around = unwatched
    """What watches those that are run."""


class ConsumerStatus(msgspec.Struct, frozen=True, kw_only=True):
    """How a consumer is."""

    name: str
    parts: int
    parts_here: int
    """How many of them this process runs."""
    position: int
    """Where its slowest part is."""
    head: int
    lag: int
    parked: int
    paused: str | None
    problem: str | None


class Handled(msgspec.Struct, frozen=True):
    """What came of trying events again that were set aside."""

    handled: int
    still_parked: Parked | None
    """The event that failed again: those behind it wait on."""


class ConsumerGroup:
    """One consumer of an application."""

    def __init__(
        self, name: str, handle: Handle, *, events: Sequence[type], parts: int, starts_new: bool, tools: GroupTools
    ) -> None:
        """``starts_new``: when it is run for the first time, it begins with the events that come from then on."""
        self.name = name
        self._handle = handle
        self._tools = tools
        self._database = tools.engine.beside
        self._parts = parts
        leases = Leases(self._database, owner=tools.owner, seconds=tools.lease_seconds, clock=tools.clock)
        self._membership = Membership(name, parts, database=self._database, leases=leases, clock=tools.clock)
        start = partial(self._head if starts_new else self._beginning)
        parted = [Part(number, parts) for number in range(parts)]
        self._builds = [part.build for part in parted]
        self._subscriptions = [
            Subscription(
                tools.around(name, self._consumer(part, tuple(events), start)),
                engine=tools.engine,
                leases=leases,
                clock=tools.clock,
                rng=tools.rng,
                may_take=self._may_take,
            )
            for part in parted
        ]

    def _consumer(self, part: Part, events: Sequence[type], start: Callable[[], Awaitable[int]]) -> EventConsumer:
        tools = self._tools
        return EventConsumer(
            self.name,
            self._handle,
            events=events,
            part=part,
            start=start,
            database=self._database,
            codec=tools.codec,
            clock=tools.clock,
        )

    async def _beginning(self) -> int:
        return 0

    async def _head(self) -> int:
        return await self._tools.engine.wait(-1)

    # --- running

    def _running(self) -> list[Subscription]:
        idle = (State.NEW, State.STANDING_BY, State.STOPPED)
        return [subscription for subscription in self._subscriptions if subscription.state not in idle]

    def _may_take(self) -> bool:
        return len(self._running()) < self._membership.share

    async def run(self) -> None:
        """Run until cancelled."""
        tasks = [asyncio.create_task(each.run(), name=f"everfold-{each.consumer.name}") for each in self._subscriptions]
        try:
            while True:
                await self._balance()
                await self._tools.clock.sleep(self._tools.lease_seconds / 3)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            with suppress(StoreError):
                await self._membership.leave()

    async def _balance(self) -> None:
        """Count the processes, and give back what is more than this one's share."""
        if self._parts == 1:
            return
        try:
            await self._membership.renew()
        except StoreError as error:
            _log.warning("the consumer %s cannot see who else runs it: %s", self.name, error)
            return
        for subscription in self._running()[self._membership.share :]:
            subscription.give_way()
        for subscription in self._subscriptions:
            subscription.nudge()

    # --- operations

    def states(self) -> list[State]:
        """What its parts do in this process, in their order."""
        return [subscription.state for subscription in self._subscriptions]

    async def status(self) -> ConsumerStatus:
        """How it is."""
        head = await self._tools.engine.wait(-1)
        found: list[ConsumerRow] = await self._database.read(self._rows)
        own = [row for row in found if row.build in self._builds]
        position = min((row.position for row in own), default=0)
        problems = [each.status.problem for each in self._subscriptions if each.status.problem]
        return ConsumerStatus(
            name=self.name,
            parts=self._parts,
            parts_here=len(self._running()),
            position=position,
            head=head,
            lag=head - position,
            parked=len(await self.parked()),
            paused=next((row.paused for row in own if row.paused is not None), None),
            problem=problems[0] if problems else None,
        )

    def _rows(self, connection: object) -> list[ConsumerRow]:
        return rows(connection, self._database.dialect, "read_builds", ConsumerRow, name=self.name)

    async def pause(self, reason: str | None) -> None:
        """Have it wait, for a reason; None: go on."""
        dialect = self._database.dialect
        await self._database.write(lambda c: execute(c, dialect, "pause", name=self.name, paused=reason))
        for subscription in self._subscriptions:
            subscription.nudge()

    async def parked(self) -> list[Parked]:
        """The events that it gave up on."""
        dialect = self._database.dialect
        found: list[Parked] = await self._database.read(
            lambda c: rows(c, dialect, "read_parked", Parked, name=self.name)
        )
        return found

    async def retry(self, stream: str) -> Handled:
        """Handle the events of a stream that were set aside, in order, until one fails again or none is left."""
        dialect, handled = self._database.dialect, 0
        while True:
            waiting: list[Parked] = await self._database.read(
                lambda c: rows(c, dialect, "read_behind", Parked, name=self.name, stream=stream, limit=AT_ONCE)
            )
            if not waiting:
                return Handled(handled, None)
            for parked in waiting:
                if not await self._retry_one(parked):
                    return Handled(handled, parked)
                handled += 1

    async def _retry_one(self, parked: Parked) -> bool:
        dialect = self._database.dialect
        place = {"name": self.name, "build": parked.build, "position": parked.position}
        records = await self._tools.engine.read(
            Selection(stream=parked.stream), after=parked.position - 1, until=parked.position, limit=1
        )
        amended: list[Amended] = await self._database.read(
            lambda c: rows(c, dialect, "read_amended", Amended, name=self.name)
        )
        try:
            await self._handle_all(amend(records, {each.position: each for each in amended}))
        except Exception as error:
            problem = f"{type(error).__name__}: {error}"
            values = {"error": problem, "traceback": problem, "parked": self._tools.clock.micros()}
            await self._database.write(lambda c: execute(c, dialect, "attempt_failed", **place, **values))
            return False

        def done(connection: object) -> None:
            execute(connection, dialect, "delete_parked", **place)
            execute(connection, dialect, "touch_all", name=self.name)

        await self._database.write(done)
        return True

    async def _handle_all(self, records: Sequence[Record]) -> None:
        for event, record in self._tools.codec.pairs(records):
            await self._handle(event, record)

    async def skip(self, position: int, *, reason: str, actor: str = "") -> Handled:
        """Do without an event for ever, for a reason; then go on with those behind it."""
        parked = next((each for each in await self.parked() if each.position == position), None)
        if parked is None:
            raise NotFound("event set aside at position", str(position), f"By the consumer {self.name}.")
        dialect = self._database.dialect
        values = {"data": None, "reason": reason, "actor": actor, "amended": self._tools.clock.micros()}
        await self._database.write(lambda c: execute(c, dialect, "amend", name=self.name, position=position, **values))
        return await self.retry(parked.stream)
