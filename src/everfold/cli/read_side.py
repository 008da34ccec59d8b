"""The read side of an application, opened by commands that look or operate. Nothing of it runs, inline ones included.

So looking and pausing never disturb a service that has the projections under lease, and build nothing by accident.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Generator, Sequence
from contextlib import asynccontextmanager, contextmanager
from functools import partial
from typing import TYPE_CHECKING

import msgspec

from everfold.cli.operator_name import operator_name
from everfold.cli.store_option import app_store, engine_to_read
from everfold.errors import NotFound
from everfold.projections.status_json import Lag, lag_of, state_of

if TYPE_CHECKING:
    from everfold.app.application import App
    from everfold.log.engine import Engine
    from everfold.projections.operations import Operations, ProjectionStatus
    from everfold.projections.projection import Projection
    from everfold.projections.read_side import ReadSideTools

__all__ = [
    "INLINE",
    "LIVE",
    "Lag",
    "OpenReadSide",
    "async_projections",
    "behind_text",
    "counted",
    "is_run",
    "lag_of",
    "open_read_side",
    "operations_on",
    "read_side_tools",
    "state_of",
]

ASYNC, INLINE, LIVE = "async", "inline", "live"


class OpenReadSide(msgspec.Struct, frozen=True):
    """An engine that is open, and the operations on the projections that belong to it."""

    engine: Engine
    operations: Operations

    async def built(self, name: str) -> ProjectionStatus:
        """The status of a projection that has tables; NotFound when nothing has ever run it."""
        status = await self.operations.status(name)
        if status.mode != LIVE and status.build is None:
            raise NotFound("build of", name, "Nothing has run it yet. Start the app: everfold run.")
        return status


@asynccontextmanager
async def open_read_side(app: App, store: str | None) -> AsyncGenerator[OpenReadSide]:
    """The read side of an app on a store that exists. Makes its (empty) bookkeeping where there is none yet.

    What is done with the operations is recorded in the audit.
    """
    from everfold.security.audit import audit_on
    from everfold.security.audited_operations import AuditedOperations
    from everfold.subscriptions.bookkeeping import prepare

    engine = engine_to_read(app_store(app, store))
    await engine.open()
    try:
        modes = {projection.__everfold__.mode for projection in app.parts.projections} - {LIVE}
        for database in [engine.beside if mode == INLINE else engine.views for mode in sorted(modes)]:
            await database.write(partial(prepare, dialect=database.dialect))
        with operations_on(app, engine) as operations:
            audit = audit_on(engine, app.clock, actor=operator_name(), by="cli")
            yield OpenReadSide(engine, AuditedOperations(operations, audit))
    finally:
        await engine.close()


@contextmanager
def operations_on(app: App, engine: Engine) -> Generator[Operations]:
    """The operations on an app's projections in an engine that is open and has their bookkeeping. Runs none of them."""
    from everfold.projections.operations import Operations
    from everfold.projections.read_side import View

    tools = read_side_tools(app, engine)
    views = {projection.__everfold__.name: View(projection, tools) for projection in app.parts.projections}
    try:
        yield Operations(views, tools)
    finally:
        for view in views.values():
            view.past.close()


def read_side_tools(app: App, engine: Engine, *, runs: bool = False) -> ReadSideTools:
    """What a read side of an app needs that is not started with the app."""
    from everfold.projections.read_side import ReadSideTools

    settings = app.settings().values
    return ReadSideTools(
        engine=engine,
        codec=app.codec(),
        clock=app.clock,
        rng=app.rng,
        owner=app.new_id(),
        lease_seconds=settings.lease_seconds,
        runs=runs,
    )


def counted(count: int, what: str = "event") -> str:
    """``1 event``, ``2 events``."""
    return f"{count:,} {what}{'' if count == 1 else 's'}"


def behind_text(lag: Lag) -> str:
    """``3 events (12 s) behind``, or ``up to date``."""
    return f"{counted(lag.events)} ({lag.seconds:,.0f} s) behind" if lag.events else "up to date"


def is_run(status: ProjectionStatus) -> bool:
    """Whether somebody keeps it up to date: appends do it for inline ones, and live ones need nobody."""
    return status.mode != ASYNC or status.runner is not None


def async_projections(app: App, names: Sequence[str]) -> list[type[Projection]]:
    """Those of these names that somebody has to run."""
    return [
        projection
        for projection in app.parts.projections
        if projection.__everfold__.name in names and projection.__everfold__.mode == ASYNC
    ]
