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

__all__ = ["run"]


@click.command(short_help="Start an app and follow its log.")
@click.argument("application", metavar="[MODULE:NAME]", required=False)
@quiet_option
def run(application: str | None) -> None:
    """Start an app (by default the configured one), check everything, open its store, follow its log.

    Stops cleanly at Ctrl-C or SIGTERM. There is nothing to connect to yet: this version serves no HTTP and runs no
    projections. Use it to see that an app starts, and what other processes record in its store.
    """
    asyncio.run(_run(find_app(application)))


async def _run(app: App) -> None:
    from everfold.cli.interruption import until_interrupted

    async with app:
        head = await app.store.head()
        for line in _banner(app, head):
            show(line)
        sys.stdout.flush()
        await until_interrupted(_follow(app, head))
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
        "Following the log. Stop with Ctrl-C.",
    ]


async def _follow(app: App, after: int) -> None:
    from everfold.cli.record_text import RecordLines

    lines = RecordLines()
    while True:
        head = await app.store.engine.wait(after)
        async for record in app.store.records(after=after, until=head):
            show(lines.line(record))
        sys.stdout.flush()
        after = head
