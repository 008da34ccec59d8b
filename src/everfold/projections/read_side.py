"""The read side of a running application: its projections, kept up to date, asked, paused, rebuilt. Used by the app."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Iterable
from functools import partial
from typing import cast

import msgspec

from everfold.clock import Clock
from everfold.codec.pipeline import Codec
from everfold.log.engine import Engine
from everfold.log.read_database import ReadDatabase
from everfold.projections.answers import Answer, Answers
from everfold.projections.fingerprint import fingerprint
from everfold.projections.folded_view import FoldedView
from everfold.projections.freshness import Freshness
from everfold.projections.inline import InlineProjections
from everfold.projections.inline_runner import InlineRunner
from everfold.projections.operations import Operations
from everfold.projections.projection import Projection
from everfold.projections.runner import ProjectionRunner
from everfold.projections.wanted import Wanted
from everfold.subscriptions.bookkeeping import Amended, prepare, rows
from everfold.subscriptions.lease import Leases
from everfold.subscriptions.life_cycle import State
from everfold.subscriptions.subscription import Around, Subscription, unwatched

__all__ = ["ReadSide", "ReadSideTools"]

LIVE_LOOK, REMOTE_LOOK = 1.0, 0.05
"""Seconds between looks at whether tables have changed: that of this process's own making, and of others'."""


class ReadSideTools(msgspec.Struct, frozen=True, kw_only=True):
    """What the read side works with."""

    engine: Engine
    codec: Codec
    clock: Clock
    rng: random.Random
    owner: str
    """Unique to this process."""
    lease_seconds: float
    query_cache: int = 1_000
    """How many answers of each projection are kept."""
    runs: bool = True
    """Whether this process keeps projections up to date, or only asks them."""
    around: Around = unwatched
    """What watches those that are run."""


class View:
    """One projection of a running application."""

    def __init__(self, projection: type[Projection], tools: ReadSideTools) -> None:
        self.projection = projection
        self.definition = projection.__everfold__
        self.fingerprint = fingerprint(projection)
        self.freshness = Freshness()
        self.runner: Subscription | InlineRunner | None = None
        self.past = FoldedView(projection, engine=tools.engine, codec=tools.codec, clock=tools.clock)
        """What it was at some position; of a live projection, what it is."""
        engine = tools.engine
        self.database: ReadDatabase = engine.beside if self.definition.mode == "inline" else engine.views
        self.answers = Answers(
            projection,
            self.fingerprint,
            database=self.database,
            freshness=self.freshness,
            clock=tools.clock,
            kept_answers=tools.query_cache,
        )
        self.leases = Leases(self.database, owner=tools.owner, seconds=tools.lease_seconds, clock=tools.clock)

    @property
    def is_live_here(self) -> bool:
        """Whether this process moves it, and so knows at once when it has moved."""
        return self.runner is not None and self.runner.state is State.LIVE

    @property
    def is_kept(self) -> bool:
        """Whether it has tables in a database."""
        return self.definition.mode != "live"


class ReadSide:
    """Started and stopped with the app."""

    def __init__(self, projections: Iterable[type[Projection]], tools: ReadSideTools) -> None:
        self._tools = tools
        self._views = {projection.__everfold__.name: View(projection, tools) for projection in projections}
        self._asked = {query: view for view in self._views.values() for query in view.definition.answers}
        self._hook = InlineProjections()
        self._tasks: list[asyncio.Task[None]] = []
        self.operations = Operations(self._views, self._tools)

    # --- life cycle

    async def start(self) -> None:
        """Make the bookkeeping, and begin to keep the projections up to date. The engine is open."""
        kept = [view for view in self._views.values() if view.is_kept]
        for database in {id(view.database): view.database for view in kept}.values():
            await database.write(partial(prepare, dialect=database.dialect))
        inline = [view for view in kept if view.definition.mode == "inline"]
        if inline:  # also in a process that runs no projections: its own appends carry them
            self._tools.engine.hook(self._hook)
        for view in kept:
            if self._tools.runs or view in inline:
                view.runner = await self._runner(view)
                name = f"everfold-projection-{view.definition.name}"
                self._tasks.append(asyncio.create_task(view.runner.run(), name=name))

    async def _runner(self, view: View) -> Subscription | InlineRunner:
        tools = self._tools
        runner = ProjectionRunner(
            view.projection,
            view.fingerprint,
            database=view.database,
            codec=tools.codec,
            clock=tools.clock,
            moved=view.freshness.moved,
            awaited=None if view.definition.mode == "inline" else view.freshness.awaited,
        )
        await runner.prepare()  # so that there is something to ask, and appends to carry, as soon as the app runs
        if view.definition.mode == "inline":
            self._hook.add(runner.new_writer(), view.fingerprint)
            return InlineRunner(runner, self._hook, engine=tools.engine, clock=tools.clock)
        watched = tools.around(view.definition.name, runner)
        return Subscription(watched, engine=tools.engine, leases=view.leases, clock=tools.clock, rng=tools.rng)

    async def stop(self) -> None:
        """Let the batches under way end, give the leases back, and forget what was folded."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._tasks.clear()
        for view in self._views.values():
            view.past.close()
            if view.is_kept and view.definition.mode == "inline":
                self._tools.engine.hook(None)

    # --- asking

    def answers(self, query: type) -> bool:
        """Whether a projection answers this kind of query."""
        return query in self._asked

    async def ask(self, query: object, wanted: Wanted) -> Answer:
        """The answer from tables that are as fresh as wanted. Raises ReadModelBehind, ReadModelNotReady, NotFound."""
        view = self._asked[type(query)]
        function = view.definition.answers[type(query)]
        if view.is_kept:
            return await view.answers.ask(function, query, wanted)
        return await view.past.ask(function, query, at=None)

    async def ask_as_of(self, query: object, position: int) -> Answer:
        """The answer as it was at a position, from tables folded for it. The live ones are not touched."""
        view = self._asked[type(query)]
        function = view.definition.answers[type(query)]
        return await view.past.ask(function, query, at=position, amended=await self._amended(view))

    async def _amended(self, view: View) -> list[Amended]:
        if not view.is_kept:
            return []
        name, dialect = view.definition.name, view.database.dialect
        found: list[Amended] = await view.database.read(lambda c: rows(c, dialect, "read_amended", Amended, name=name))
        return found

    async def version(self, query: type) -> object:
        """Something that is another one after the tables that answer such a query have changed."""
        view = self._asked.get(query)
        if view is None or not view.is_kept:
            return await self._tools.engine.wait(-1)
        row = await view.answers.row()
        return row and (row.build, row.changed, row.epoch)

    async def version_text(self, query: type) -> str | None:
        """The version that an answer would carry now; None where it carries none that lasts."""
        found = await self.version(query)
        return "-".join(map(str, cast("tuple[int, ...]", found))) if isinstance(found, tuple) else None

    async def change(self, query: type, known: object) -> object:
        """Wait until the version is another one than this; the new one."""
        view = self._asked.get(query)
        while True:
            moves = view.freshness.moves if view else 0
            found = await self.version(query)
            if found != known:
                return found
            if view is None or not view.is_kept:
                await self._tools.engine.wait(cast("int", known))
            elif view.freshness.moves == moves:  # else it has moved while we looked
                await view.freshness.change(LIVE_LOOK if view.is_live_here else REMOTE_LOOK)

    async def reached(self, wanted: Wanted) -> None:
        """Wait until every projection is as fresh as wanted."""
        for view in self._views.values():
            if view.is_kept:
                await view.answers.ask(_nothing, None, wanted)


def _nothing(_projection: Projection, _query: object) -> None:
    """An answer that is only waited for."""
