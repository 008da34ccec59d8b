"""``everfold projections rebuild``: build a projection anew beside the live tables, or show what that would change."""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import Callable
from typing import TYPE_CHECKING

import click

from everfold.cli.app_option import app_option, find_app
from everfold.cli.failures import CHECK_FAILED, INTERRUPTED, OK
from everfold.cli.output import json_option, note, quiet_option, show, show_json
from everfold.cli.rate_bar import rate_bar, rate_text
from everfold.cli.read_side import counted, is_run, open_read_side
from everfold.cli.store_option import store_option

if TYPE_CHECKING:
    from everfold.app.application import App
    from everfold.projections.operations import ProjectionStatus
    from everfold.projections.rebuild import Comparison

__all__ = ["rebuild"]

SHAPE = """\
Exit code with --dry-run: 0 when a rebuild would change nothing, 3 when it would change rows.

\b
With --json: one object.
  {"name": "account-summaries", "build": 2, "position": 4000, "seconds": 0.5}
With --json --dry-run:
  {"name": "account-summaries", "position": 4000, "would_change": true, "tables": [{"table":
   "account_summary", "same": 9, "added": 0, "removed": 0, "changed": 1, "examples":
   [{"table", "kind": "changed", "key": ["a1"], "before": {...}, "after": {...}}]}]}
Values are those that the database keeps. At most 20 examples of each table.
"""


@click.command(short_help="Build anew beside the live tables.", epilog=SHAPE)
@click.argument("name")
@click.option("--dry-run", is_flag=True, help="Change nothing: show which rows a rebuild would change.")
@json_option
@store_option
@app_option
@quiet_option
def rebuild(name: str, dry_run: bool, as_json: bool, store: str | None, app_name: str | None) -> int:
    """Build the read models of the projection NAME anew from all events, then put them in place of the live ones.

    Queries are answered from the old tables until the switch, which is one transaction; a service that runs goes on
    with the new ones. The old tables are kept. Interrupted, nothing has changed.

    For example: everfold projections rebuild account-summaries --dry-run
    """
    app = find_app(app_name)
    return _dry_run(app, store, name, as_json=as_json) if dry_run else _rebuild(app, store, name, as_json=as_json)


def _rebuild(app: App, store: str | None, name: str, *, as_json: bool) -> int:
    started = time.perf_counter()
    found = asyncio.run(_run(app, store, name))
    if found is None:
        note("Stopped. Nothing has changed: the live tables are as they were.")
        return INTERRUPTED
    build, before, after = found
    seconds = time.perf_counter() - started
    if as_json:
        show_json({"name": name, "build": build, "position": after.position, "seconds": round(seconds, 3)})
    else:
        show(f"{name} was rebuilt and switched to build {build}: {rate_text(after.position, seconds, 'events')}")
    if before.paused is not None:
        note(f"It was paused ({before.paused}); the new build is not.")
    if after.parked:
        note(f"It set {counted(after.parked)} aside: everfold parked list {name}")
    if not is_run(before):  # who runs it may not have taken the new build yet
        note("Nobody runs it at the moment. Start the app: everfold run")
    return OK


async def _run(app: App, store: str | None, name: str) -> tuple[int, ProjectionStatus, ProjectionStatus] | None:
    """The number of the new build and the status before and after; None: a signal came first."""
    from everfold.cli.interruption import until_interrupted

    done: list[tuple[int, ProjectionStatus, ProjectionStatus]] = []
    async with open_read_side(app, store) as opened:
        before = await opened.operations.status(name)
        with rate_bar(f"rebuilding {name}", "events") as advance:

            async def work() -> None:
                build = await opened.operations.rebuild(name, _progress(advance))
                done.append((build, before, await opened.operations.status(name)))

            await until_interrupted(work())
        after = await opened.operations.status(name)
        if not done and _is_switched(before, after):  # the signal came when there was nothing left to stop
            done.append((after.build or 0, before, after))
    return done[0] if done else None


def _is_switched(before: ProjectionStatus, after: ProjectionStatus) -> bool:
    return before.build is not None and after.build != before.build


def _progress(advance: Callable[[int, float | None], None]) -> Callable[[int, int], None]:
    reached = 0

    def told(position: int, head: int) -> None:
        nonlocal reached
        advance(position - reached, position / head if head else 1.0)
        reached = position

    return told


def _dry_run(app: App, store: str | None, name: str, *, as_json: bool) -> int:
    async def work() -> Comparison:
        async with open_read_side(app, store) as opened:
            await opened.built(name)
            with rate_bar(f"folding {name} to compare", "events") as advance:
                return await opened.operations.compare(name, _progress(advance))

    found = asyncio.run(work())
    if as_json:
        facts = {"name": name, "position": found.position, "would_change": not found.is_same, "tables": found.tables}
        show_json(facts)
    else:
        from everfold.cli.difference_text import difference_lines

        show(f"A rebuild of {name} at position {found.position:,} would change {_what(found)}")
        for line in difference_lines(found.tables, ("same", "added", "removed", "changed")):
            show(line)
    sys.stdout.flush()
    return OK if found.is_same else CHECK_FAILED


def _what(found: Comparison) -> str:
    count = sum(table.added + table.removed + table.changed for table in found.tables)
    return "nothing." if not count else f"{counted(count, 'row')}:"
