"""What operators do with projections: look, pause, resume, reset, rebuild, and deal with events set aside."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import msgspec

from everfold.errors import NotFound, ReadModelNotReady
from everfold.projections.build_consumer import Progress
from everfold.projections.builds import BUILDING, readable
from everfold.projections.parking import Parking, Retried, parked_events
from everfold.projections.rebuild import Comparison, Rebuild
from everfold.subscriptions.bookkeeping import Amended, ConsumerRow, Parked, execute, rows
from everfold.subscriptions.life_cycle import State

if TYPE_CHECKING:
    from everfold.projections.read_side import ReadSideTools, View

__all__ = ["Operations", "ProjectionStatus"]


class ProjectionStatus(msgspec.Struct, frozen=True, kw_only=True):
    """How a projection is."""

    name: str
    mode: str
    state: str
    """What it is doing, here or in the process that runs it; ``not running`` when nobody does."""
    position: int
    head: int
    """The head of the log."""
    lag: int
    """How many records of the log it has not dealt with."""
    parked: int
    """Events that it has given up on."""
    waiting: int
    """Events that wait behind them."""
    paused: str | None
    problem: str | None
    build: int | None
    building: int | None
    """The position of a build that is to take its place."""
    runner: str | None
    """Who runs it."""
    moved: int | None
    """When it last moved, in microseconds since 1970 UTC."""


class Operations:
    """The operations on the projections of one application."""

    def __init__(self, views: Mapping[str, View], tools: ReadSideTools) -> None:
        self._views = views
        self._tools = tools

    def names(self) -> list[str]:
        """The projections."""
        return sorted(self._views)

    def _view(self, name: str) -> View:
        view = self._views.get(name)
        if view is None:
            raise NotFound("projection", name, f"There are: {', '.join(self.names()) or 'none'}.")
        return view

    def _kept(self, name: str) -> View:
        view = self._view(name)
        if not view.is_kept:
            raise NotFound("table of", name, "It is folded when it is asked (mode='live'), and nothing is kept of it.")
        return view

    # --- looking

    async def status(self, name: str) -> ProjectionStatus:
        """How one projection is."""
        view = self._view(name)
        head = await self._tools.engine.wait(-1)
        if not view.is_kept:
            return _status(view, head, [], {}, None)
        dialect = view.database.dialect

        def look(connection: Any) -> tuple[list[ConsumerRow], dict[tuple[int, str], int]]:
            builds = rows(connection, dialect, "read_builds", ConsumerRow, name=name)
            counted = execute(connection, dialect, "count_parked").fetchall()
            return builds, {(build, state): count for own, build, state, count in counted if own == name}

        builds, parked = await view.database.read(look)
        row = readable(builds, view.fingerprint)
        lease = await view.leases.holder(f"projection {name} {row.build}") if row else None
        is_held = lease is not None and lease.expires > self._tools.clock.micros()
        return _status(view, head, builds, parked, lease.owner if lease and is_held else None)

    async def statuses(self) -> list[ProjectionStatus]:
        """How all of them are."""
        return [await self.status(name) for name in self.names()]

    # --- pausing

    async def pause(self, name: str, reason: str) -> None:
        """Have a projection wait until it is resumed, in every process."""
        await self._set_paused(name, reason or "somebody paused it")

    async def resume(self, name: str) -> None:
        """Have a projection go on."""
        await self._set_paused(name, None)

    async def _set_paused(self, name: str, reason: str | None) -> None:
        view = self._kept(name)
        dialect = view.database.dialect
        await view.database.write(lambda c: execute(c, dialect, "pause", name=name, paused=reason))
        if view.runner:
            view.runner.nudge()

    # --- building

    async def rebuild(self, name: str, progress: Progress | None = None) -> int:
        """Build it anew beside the live tables, then switch; the number of the new build."""
        number = await self._rebuild(self._kept(name)).run(progress)
        self._nudge(name)
        return number

    async def reset(self, name: str) -> int:
        """Begin anew with empty tables; the number of the new build."""
        number = await self._rebuild(self._kept(name)).reset()
        self._nudge(name)
        return number

    async def compare(self, name: str, progress: Progress | None = None) -> Comparison:
        """What a rebuild would change. Nothing is changed."""
        view = self._kept(name)
        return await self._rebuild(view).compare(view.answers, progress)

    def _rebuild(self, view: View) -> Rebuild:
        tools = self._tools
        return Rebuild(
            view.projection,
            view.fingerprint,
            engine=tools.engine,
            database=view.database,
            leases=view.leases,
            codec=tools.codec,
            clock=tools.clock,
        )

    def _nudge(self, name: str) -> None:
        runner = self._views[name].runner
        if runner:
            runner.nudge()

    # --- events set aside

    async def parked(self, name: str | None = None) -> list[Parked]:
        """The events that projections, or one of them, gave up on."""
        views = [self._views[each] for each in self.names()] if name is None else [self._kept(name)]
        return [parked for view in views if view.is_kept for parked in await self._parked(view)]

    async def _parked(self, view: View) -> list[Parked]:
        """Those of the build that is read: what others have set aside is theirs."""
        row = await view.answers.row()
        found = await parked_events(view.database, view.definition.name)
        return [each for each in found if row is not None and each.build == row.build]

    async def behind(self, name: str, stream: str) -> list[Parked]:
        """All events of a stream that are set aside, in order: the one that failed, and those that wait behind it."""
        return await (await self._parking(name, is_changing=False)).behind(stream)

    async def retry(self, name: str, stream: str) -> Retried:
        """Try the events of a stream again, in order."""
        return await (await self._parking(name)).retry(stream)

    async def skip(self, name: str, position: int, *, reason: str, actor: str = "") -> Retried:
        """Do without an event for ever, for a reason."""
        skipped = await (await self._parking(name)).skip(position, reason=reason, actor=actor)
        await self._mend_building(self._views[name])
        return skipped

    async def substitute(self, name: str, position: int, data: str, *, reason: str, actor: str = "") -> Retried:
        """Give the projection other fields for an event, and try again. The record stays as it is."""
        retried = await (await self._parking(name)).substitute(position, data, reason=reason, actor=actor)
        await self._mend_building(self._views[name])
        return retried

    async def _mend_building(self, view: View) -> None:
        """A build under way may have set an event aside already that is now given otherwise: it tries it again."""
        name, database = view.definition.name, view.database
        builds: list[ConsumerRow] = await database.read(
            lambda c: rows(c, database.dialect, "read_builds", ConsumerRow, name=name)
        )
        ours = [build for build in builds if build.fingerprint == view.fingerprint]
        building = {build.build for build in ours if build.state == BUILDING}
        amended: list[Amended] = await database.read(
            lambda c: rows(c, database.dialect, "read_amended", Amended, name=name)
        )
        positions = {each.position for each in amended}
        for parked in await parked_events(database, name):
            if parked.build in building and parked.position in positions:
                await self._parking_of(view, parked.build).retry(parked.stream)

    async def _parking(self, name: str, *, is_changing: bool = True) -> Parking:
        view = self._kept(name)
        row = await view.answers.row()
        if row is None:
            raise NotFound("build of", name, "Nothing has run it yet.")
        if is_changing and row.fingerprint != view.fingerprint:
            raise ReadModelNotReady(
                f"The code of {name!r} has changed, and what is set aside is that of its old tables. When the new code "
                "is run, it is built anew and tries every event again: see `everfold projections status`."
            )
        return self._parking_of(view, row.build)

    def _parking_of(self, view: View, build: int) -> Parking:
        tools = self._tools
        return Parking(
            view.projection,
            build,
            engine=tools.engine,
            database=view.database,
            codec=tools.codec,
            clock=tools.clock,
        )


def _status(
    view: View, head: int, builds: list[ConsumerRow], parked: Mapping[tuple[int, str], int], owner: str | None
) -> ProjectionStatus:
    row = readable(builds, view.fingerprint)
    building = [build for build in builds if build.state == BUILDING and build != row]
    position = head if not view.is_kept else row.position if row else 0
    runner = view.runner
    return ProjectionStatus(
        name=view.definition.name,
        mode=view.definition.mode,
        state=_state(view, row, owner),
        position=position,
        head=head,
        lag=head - position,
        parked=parked.get((row.build, "parked"), 0) if row else 0,
        waiting=parked.get((row.build, "waiting"), 0) if row else 0,
        paused=row.paused if row else None,
        problem=runner.status.problem if runner else None,
        build=row.build if row else None,
        building=building[-1].position if building else None,
        runner=owner,
        moved=row.recorded if row else None,
    )


def _state(view: View, row: ConsumerRow | None, owner: str | None) -> str:
    if not view.is_kept:
        return "folded when asked"
    if row is not None and row.paused is not None:
        return State.PAUSED.value
    state = view.runner.state if view.runner else None
    if state is not None and state is not State.STANDING_BY:
        return str(state.value)
    return "running elsewhere" if owner else "not running"
