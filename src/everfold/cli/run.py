"""``everfold run``: an application as a service, with HTTP, projections and consumers, until somebody stops it."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from everfold.cli.banner import head_line
from everfold.cli.output import is_quiet, note, quiet_option, show
from everfold.cli.serving import (
    Plan,
    Started,
    app_of,
    check_shared,
    find_planned,
    open_socket,
    run_loop,
    serve,
)

if TYPE_CHECKING:
    from everfold.app.application import App
    from everfold.http.api import HttpApi

__all__ = ["run", "run_here"]

STOPPED = "Everything acknowledged is stored."


@click.command(short_help="Serve an app: HTTP, projections, consumers.")
@click.argument("application", metavar="[MODULE:NAME]", required=False)
@click.option("--host", help="The address to listen on. [setting host: 127.0.0.1]")
@click.option("--port", type=click.IntRange(0, 65_535), help="0: any that is free. [setting port: 8000]")
@click.option("--workers", type=click.IntRange(1), help="How many processes. [setting workers: 1]")
@click.option("--role", type=click.Choice(["all", "server", "worker"]), help="What they do. [setting role: all]")
@click.option("--reload", "reloads", is_flag=True, help="Start again whenever code below this folder changes.")
@click.option("--follow", "follows", is_flag=True, help="Write a line for each record that is stored.")
@click.option(
    "--log", "log_format", type=click.Choice(["text", "json"]), help="Write the log, with a line for each request."
)
@click.option("--no-http", "http", flag_value=False, default=True, help="Listen on nothing.")
@quiet_option
def run(application: str | None, http: bool, follows: bool, reloads: bool, **options: Any) -> None:
    """Serve an app (by default the configured one): its HTTP API, its projections and its consumers.

    MODULE:NAME is an App, or an HttpApi. With the role "server" it leaves projections and consumers to processes with
    the role "worker", which listen for health checks only. Ctrl-C or SIGTERM ends it in good order: requests under way
    are finished, for as long as the setting shutdown_timeout says; a second one does not wait for them.
    """
    given = {name: value for name, value in options.items() if value is not None}
    plan = Plan(application=application, settings=given, http=http, follows=follows, is_quiet=is_quiet())
    service = find_planned(plan)
    count = app_of(service).settings().values.workers
    check_shared(app_of(service), count)
    if count == 1 and not reloads:
        run_here(plan, service)
    else:
        _run_workers(plan, service, count, reloads=reloads)


def run_here(plan: Plan, service: App | HttpApi) -> None:
    """In this process."""
    place = run_loop(_run(plan, service))
    note("Stopped before it had started." if place is None else f"Stopped {place}. {STOPPED}")


async def _run(plan: Plan, service: App | HttpApi) -> str | None:
    from everfold.cli.stopping import Stopping

    def tell(started: Started) -> None:
        _show(started, [os.getpid()])

    with Stopping() as stopping:
        return await serve(plan, service, open_socket(plan, service), stopping, tell=tell)
    return None  # it was asked to stop while it started


def _run_workers(plan: Plan, service: App | HttpApi, count: int, *, reloads: bool) -> None:
    import asyncio

    code = asyncio.run(_supervise(plan, service, count, reloads=reloads))
    if code:
        sys.exit(code)
    note(f"Stopped. {STOPPED}")


async def _supervise(plan: Plan, service: App | HttpApi, count: int, *, reloads: bool) -> int:
    from everfold.cli.code_watch import CodeWatch
    from everfold.cli.stopping import Stopping
    from everfold.cli.supervisor import Supervisor

    listening = open_socket(plan, service)
    patience = app_of(service).settings().values.shutdown_timeout
    watch = CodeWatch(Path.cwd()) if reloads else None
    with Stopping() as stopping:
        return await Supervisor(plan, count, listening, patience=patience, watch=watch).run(stopping, _show)
    return 0


def _show(started: Started, processes: list[int]) -> None:
    show(head_line(started.name, processes))
    for line in started.lines:
        show(line)
    show("Stop with Ctrl-C.")
    sys.stdout.flush()
