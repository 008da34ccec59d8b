"""``everfold run``: start an application, check it, and follow its log until somebody stops it."""

from __future__ import annotations

import asyncio
import os
import sys
from typing import TYPE_CHECKING

import click

from everfold.cli.app_option import find_app
from everfold.cli.output import note, quiet_option, show
from everfold.cli.store_option import app_store

if TYPE_CHECKING:
    from everfold.app.application import App
    from everfold.cli.read_side import Lag
    from everfold.projections.operations import ProjectionStatus

__all__ = ["run"]

LOOK_SECONDS = 0.25


@click.command(short_help="Start an app and follow its log.")
@click.argument("application", metavar="[MODULE:NAME]", required=False)
@quiet_option
def run(application: str | None) -> None:
    """Start an app (by default the configured one), check everything, open its store, follow its log.

    Keeps its projections up to date, unless the setting role is "server", and tells when one of them changes what it
    does. Stops cleanly at Ctrl-C or SIGTERM. There is nothing to connect to yet: this version serves no HTTP.
    """
    asyncio.run(_run(find_app(application)))


async def _run(app: App) -> None:
    from everfold.cli.interruption import until_interrupted

    async with app:
        head = await app.store.head()
        for line in _banner(app, head):
            show(line)
        sys.stdout.flush()
        watching = asyncio.create_task(_watch_projections(app), name="everfold-run-projections")
        try:
            await until_interrupted(_follow(app, head))
        finally:
            watching.cancel()
            await asyncio.gather(watching, return_exceptions=True)
        head = await app.store.head()
    note(f"Stopped at position {head}. Everything acknowledged is stored.")


def _banner(app: App, head: int) -> list[str]:
    from everfold.engines.sqlite.engine import SqliteEngine

    engine = app.store.engine
    where = engine.path if isinstance(engine, SqliteEngine) else (app_store(app) if app.engine is None else "memory")
    parts = app.parts
    return [
        f"{click.style(app.name, bold=True)} is running (process {os.getpid()})",
        f"  store     {where}, at position {head}",
        f"  accepts   {len(app.commands())} commands and {len(app.queries())} queries, from this process only",
        f"  decided   by {len(parts.aggregates)} aggregates, {len(parts.models)} decision models, "
        f"{len(app.functions) - len(app.query_functions)} functions",
        f"  keeps     {_kept(app)}",
        "Following the log. Stop with Ctrl-C.",
    ]


def _kept(app: App) -> str:
    from everfold.cli.read_side import counted

    names = [f"{part.__everfold__.name} ({part.__everfold__.mode})" for part in app.parts.projections]
    if not names:
        return "no projections"
    others = ", which others keep up to date (role = server)" if app.settings().values.role == "server" else ""
    return f"{counted(len(names), 'projection')}: {', '.join(names)}{others}"


async def _watch_projections(app: App) -> None:
    """Tell what each projection does, and how far it is behind, whenever that is something else than before."""
    from everfold.cli.read_side import lag_of, state_of
    from everfold.errors import StoreError

    told: dict[str, tuple[str, int]] = {}
    while True:
        try:
            for status in await app.projections.statuses():
                state = (state_of(status), status.parked)
                if state != told.get(status.name):
                    told[status.name] = state
                    note(_projection_text(status, await lag_of(app.store.engine, status, app.clock.micros())))
        except StoreError as error:
            note(f"The state of the projections cannot be told: {error}")
        await asyncio.sleep(LOOK_SECONDS)


def _projection_text(status: ProjectionStatus, lag: Lag) -> str:
    from everfold.cli.read_side import behind_text, counted, state_of

    parked = f", {counted(status.parked)} set aside (everfold parked list)" if status.parked else ""
    problem = status.paused or status.problem
    return f"{status.name}: {state_of(status)}, {behind_text(lag)}{parked}" + (f": {problem}" if problem else "")


async def _follow(app: App, after: int) -> None:
    from everfold.cli.record_text import RecordLines

    lines = RecordLines()
    while True:
        head = await app.store.engine.wait(after)
        async for record in app.store.records(after=after, until=head):
            show(lines.line(record))
        sys.stdout.flush()
        after = head
