"""Keeps one projection up to date, in this process or standing by for another. Driven by a ``Subscription``."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from typing import Any

from everfold.clock import Clock
from everfold.codec.pipeline import Codec
from everfold.log.read_database import ReadDatabase
from everfold.log.record import Record
from everfold.log.selection import Selection
from everfold.projections.build_consumer import BuildConsumer
from everfold.projections.build_writer import BuildWriter
from everfold.projections.builds import ACTIVE, BUILDING, activate, builds_of, create, of_code
from everfold.projections.projection import Projection
from everfold.subscriptions.bookkeeping import ConsumerRow, execute, take_turns
from everfold.subscriptions.subscription import Fenced, Moved, Paused, Poison

__all__ = ["ProjectionRunner"]

Moving = Callable[[int, int], None]
"""Told the position that was reached, and the last one that changed anything."""
Awaiting = Callable[[float], Awaitable[None]]
"""Waits until somebody waits for the projection to move, at most so many seconds."""
GATHER = 0.01
"""Seconds for which events gather when they come more quickly than that: many small transactions cost the writers
more than they give the readers."""


class ProjectionRunner:
    """The consumer of a projection's subscription: chooses its build, follows, and switches when it is finished."""

    def __init__(
        self,
        projection: type[Projection],
        fingerprint: str,
        *,
        database: ReadDatabase,
        codec: Codec,
        clock: Clock,
        moved: Moving,
        awaited: Awaiting | None = None,
    ) -> None:
        self.projection = projection
        self.fingerprint = fingerprint
        self._database = database
        self._codec = codec
        self._clock = clock
        self._moved = moved
        self._awaited = awaited
        self._rested = -GATHER
        self._build: ConsumerRow | None = None
        self._consumer: BuildConsumer | None = None
        self._was_active = False
        """A program that another took the place of goes on with its own tables, and does not fight for it."""

    @property
    def title(self) -> str:
        """What to call it."""
        return f"the projection {self.projection.__everfold__.name!r}"

    @property
    def name(self) -> str:
        """The name of its lease: each build has one of its own."""
        return f"projection {self.projection.__everfold__.name} {self._chosen.build}"

    @property
    def selection(self) -> Selection:
        """The records that the projection has handlers for."""
        return self.running.writer.selection

    def ends_in_merge(self, record: Record) -> bool:
        """Whether the record may belong to the next one."""
        return self._codec.ends_in_merge(record)

    @property
    def _chosen(self) -> ConsumerRow:
        assert self._build is not None, "prepare comes first"  # noqa: S101
        return self._build

    @property
    def running(self) -> BuildConsumer:
        """What writes to the chosen build."""
        assert self._consumer is not None, "prepare comes first"  # noqa: S101
        return self._consumer

    @property
    def is_prepared(self) -> bool:
        """Whether a build was chosen."""
        return self._build is not None

    def forget(self) -> None:
        """Choose anew before going on."""
        self._build = self._consumer = None

    async def prepare(self) -> None:
        """Choose the build to go on with, or begin one: at once active when there was none, else beside the active."""
        self._build = await self._database.write(self._choose)
        self._consumer = BuildConsumer(self.new_writer(), self._database)

    def new_writer(self) -> BuildWriter:
        """A writer to the chosen build."""
        return BuildWriter(
            self.projection, self._chosen.build, dialect=self._database.dialect, codec=self._codec, clock=self._clock
        )

    def _choose(self, connection: Any) -> ConsumerRow:
        dialect, name = self._database.dialect, self.projection.__everfold__.name
        own = of_code(builds_of(connection, dialect, name), self.fingerprint)
        if own is not None:
            return own
        take_turns(connection, dialect)
        builds = builds_of(connection, dialect, name)  # another process may just have begun one
        own = of_code(builds, self.fingerprint)
        if own is not None:
            return own
        state = BUILDING if any(build.state == ACTIVE for build in builds) else ACTIVE
        now = self._clock.micros()
        return create(connection, dialect, self.projection, self.fingerprint, state, recorded=now)

    async def resume(self, token: int) -> int:
        """The position of the build, under this lease. Raises Paused, or Fenced when another build is to be run."""
        await self.look()
        position = await self.running.resume(token)
        self._moved(position, self.running.changed)
        return position

    async def consume(self, records: Sequence[Record], position: int) -> int:
        """Apply the records, or look whether somebody paused the projection or switched its build."""
        running = self.running
        if not records and position <= running.position:
            if (await self.look()).position != running.position:
                raise Moved
            return 0
        try:
            return await running.consume(records, position)
        finally:
            self._moved(running.position, running.changed)

    async def look(self) -> ConsumerRow:
        """Where the build is now. Raises Paused, or Fenced when another build is to be run."""
        name = self.projection.__everfold__.name
        builds = await self._database.read(lambda c: builds_of(c, self._database.dialect, name))
        own = of_code(builds, self.fingerprint)
        if own is None or own.build != self._chosen.build:
            raise Fenced
        if own.paused is not None:
            raise Paused(own.paused)
        self._moved(own.position, own.changed)
        return own

    def progress(self, position: int, _head: int) -> None:
        """Tell those who wait."""
        self._moved(position, self.running.changed)

    async def park(self, poison: Poison, attempts: int) -> None:
        """Set the record aside."""
        await self.running.park(poison, attempts)
        self._moved(self.running.position, self.running.changed)

    async def pause(self, reason: str) -> None:
        """Pause every build of the projection."""
        name = self.projection.__everfold__.name
        await self._database.write(lambda c: execute(c, self._database.dialect, "pause", name=name, paused=reason))

    async def caught_up(self) -> None:
        """A build that was made beside another, or that an older program comes back to, takes its place."""
        if self._was_active or self._chosen.state == ACTIVE:
            self._was_active = True
            await self._let_gather()
            return
        switch = partial(activate, dialect=self._database.dialect, projection=self.projection, build=self._chosen.build)
        if not await self._database.write(switch):
            return  # the active build is further: at the next span
        self._was_active = True
        await self.running.resume(self.running.token)

    async def _let_gather(self) -> None:
        """Rest a moment when batches follow each other quickly, unless somebody waits for one."""
        if self._awaited is not None and self._clock.monotonic() - self._rested < GATHER:
            await self._awaited(GATHER)
        self._rested = self._clock.monotonic()
