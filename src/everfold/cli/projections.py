"""``everfold projections``: how the projections of an app are, and what operators do with them."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import click

from everfold.cli.app_option import app_option, find_app
from everfold.cli.command_group import Group
from everfold.cli.output import json_option, note, printable, quiet_option, show, show_json, table
from everfold.cli.read_side import counted, is_run, lag_of, open_read_side, state_of
from everfold.cli.rebuild import rebuild
from everfold.cli.store_option import store_option

if TYPE_CHECKING:
    from everfold.app.application import App
    from everfold.cli.read_side import Lag
    from everfold.projections.operations import ProjectionStatus

__all__ = ["projections"]

EXAMPLES = """\
\b
For example:
  everfold projections list
  everfold projections rebuild account-summaries --dry-run
  everfold projections pause account-summaries --reason "wrong totals"
"""
STATUS_SHAPE = """\
With --json: one object per line.

\b
  {"name": "account-summaries", "mode": "async", "state": "running elsewhere", "position": 120,
   "head": 120, "lag": 0, "lag_seconds": 0.0, "parked": 0, "waiting": 0, "paused": null,
   "problem": null, "build": 1, "building": null, "runner": "<id>", "moved": "2030-01-31T12:00:00Z"}

\b
"build": which build is read; "building": how far the one is that will take its place;
"paused": why it waits; "lag_seconds": the age of the oldest event that it has not dealt with.
"""
CHANGE_SHAPE = 'With --json: one object: {"name": "account-summaries", "paused": "maintenance"}'
RESET_SHAPE = 'With --json: one object: {"name": "account-summaries", "build": 2}'


@click.group(cls=Group, epilog=EXAMPLES, short_help="Read models: list, status, rebuild, pause, resume, reset.")
def projections() -> None:
    """Look at projections, pause them, build them anew."""


projections.add_command(rebuild)


@projections.command("list", epilog=STATUS_SHAPE)
@json_option
@store_option
@app_option
@quiet_option
def list_projections(as_json: bool, store: str | None, app_name: str | None) -> None:
    """Every projection: what it does, how far it is, and what it has set aside. Starts none."""
    app = find_app(app_name)
    found = asyncio.run(_look(app, store, None))
    if as_json:
        _show_as_json(found)
    elif found:
        heads = ("projection", "mode", "state", "position", "behind", "seconds", "parked", "waiting")
        rows = [
            (s.name, s.mode, state_of(s), s.position, lag.events, round(lag.seconds), s.parked, s.waiting)
            for s, lag in found
        ]
        show("\n".join(table(heads, rows)))
    else:
        note(f"The app {app.name!r} has no projections.")


@projections.command(epilog=STATUS_SHAPE)
@click.argument("name", required=False)
@json_option
@store_option
@app_option
@quiet_option
def status(name: str | None, as_json: bool, store: str | None, app_name: str | None) -> None:
    """Everything about the projection NAME, or about all of them. Starts none.

    For example: everfold projections status account-summaries
    """
    found = asyncio.run(_look(find_app(app_name), store, name))
    if as_json:
        _show_as_json(found)
        return
    for number, (each, lag) in enumerate(found):
        if number:
            show()
        for line in _page(each, lag):
            show(line)


async def _look(app: App, store: str | None, name: str | None) -> list[tuple[ProjectionStatus, Lag]]:
    async with open_read_side(app, store) as opened:
        operations = opened.operations
        found = await operations.statuses() if name is None else [await operations.status(name)]
        now = app.clock.micros()
        return [(status, await lag_of(opened.engine, status, now)) for status in found]


def _show_as_json(found: list[tuple[ProjectionStatus, Lag]]) -> None:
    from everfold.projections.status_json import status_json

    for status, lag in found:
        show_json(status_json(status, lag))


def _page(status: ProjectionStatus, lag: Lag) -> Iterator[str]:
    from everfold.cli.record_text import time_text
    from everfold.clock import from_micros

    yield f"{click.style(status.name, bold=True)}  {status.mode}, {state_of(status)}"
    behind = f"{counted(lag.events)} behind, the oldest {lag.seconds:,.0f} s old" if lag.events else "up to date"
    facts = {"position": f"{status.position:,} of {status.head:,}, {behind}"}
    if status.moved is not None:
        facts["moved"] = time_text(from_micros(status.moved))
    if status.build is not None:
        facts["build"] = f"{status.build}"
    if status.building is not None:
        facts["building"] = f"another build is at position {status.building:,} and will take its place"
    if status.runner is not None:
        facts["run by"] = f"the process with the id {status.runner}"
    elif not is_run(status):
        facts["run by"] = "nobody: start the app (everfold run)"
    if status.paused is not None:
        facts["paused"] = f"{status.paused} (everfold projections resume {status.name})"
    if status.parked:
        waiting = f", and {status.waiting:,} wait behind" if status.waiting else ""
        facts["parked"] = f"{counted(status.parked)}{waiting} (everfold parked list {status.name})"
    for fact, text in facts.items():
        yield f"  {click.style(fact.ljust(8), dim=True)}  {printable(text)}"


@projections.command(epilog=CHANGE_SHAPE)
@click.argument("name")
@click.option("--reason", default="", help="Why, for those who wonder.")
@json_option
@store_option
@app_option
@quiet_option
def pause(name: str, reason: str, as_json: bool, store: str | None, app_name: str | None) -> None:
    """Have the projection NAME wait, in every process that runs it, until it is resumed. It is answered from as it is.

    For example: everfold projections pause account-summaries --reason "wrong totals"
    """

    async def work() -> ProjectionStatus:
        async with open_read_side(find_app(app_name), store) as opened:
            await opened.built(name)
            await opened.operations.pause(name, reason)
            return await opened.operations.status(name)

    status = asyncio.run(work())
    if as_json:
        show_json({"name": name, "paused": status.paused})
        return
    show(f"{name} is paused at position {status.position:,}: {status.paused}. Processes notice within a second.")
    note(f"Have it go on: everfold projections resume {name}")


@projections.command(epilog=CHANGE_SHAPE)
@click.argument("name")
@json_option
@store_option
@app_option
@quiet_option
def resume(name: str, as_json: bool, store: str | None, app_name: str | None) -> None:
    """Have the projection NAME go on where it was paused, or paused itself."""

    async def work() -> tuple[ProjectionStatus, ProjectionStatus]:
        async with open_read_side(find_app(app_name), store) as opened:
            before = await opened.built(name)
            await opened.operations.resume(name)
            return before, await opened.operations.status(name)

    before, after = asyncio.run(work())
    if as_json:
        show_json({"name": name, "paused": after.paused})
    elif before.paused is None:
        show(f"{name} was not paused.")
    else:
        show(f"{name} goes on from position {after.position:,}, {counted(after.lag)} behind. It was: {before.paused}.")
    _say_if_nobody_runs(after)


@projections.command(epilog=RESET_SHAPE)
@click.argument("name")
@click.option("--yes", is_flag=True, help="Do not ask.")
@json_option
@store_option
@app_option
@quiet_option
def reset(name: str, yes: bool, as_json: bool, store: str | None, app_name: str | None) -> None:
    """Empty the read models of the projection NAME at once, and have it begin at the first event, paused or not.

    Queries find nothing until it has caught up: `rebuild` fills new tables first and is what one nearly always wants.
    The events are not touched. Asks on a terminal; elsewhere --yes is needed.
    """
    app = find_app(app_name)
    if not yes:
        _confirm(name)

    async def work() -> tuple[int, ProjectionStatus, ProjectionStatus]:
        async with open_read_side(app, store) as opened:
            before = await opened.built(name)
            return await opened.operations.reset(name), before, await opened.operations.status(name)

    build, before, status = asyncio.run(work())
    if as_json:
        show_json({"name": name, "build": build})
    else:
        show(f"{name} is empty and begins anew as build {build}, {counted(status.lag)} behind.")
    _say_if_nobody_runs(before)  # who runs it has not taken the new build yet


def _confirm(name: str) -> None:
    if not sys.stdin.isatty():
        raise click.UsageError(f"Queries to {name} would find nothing until it has caught up. Give --yes to do it.")
    question = f"Queries to {name} will find nothing until it has caught up (rebuild avoids that). Empty it?"
    click.confirm(question, abort=True, err=True)


def _say_if_nobody_runs(status: Any) -> None:
    if not is_run(status):
        note("Nobody runs it at the moment. Start the app: everfold run")
