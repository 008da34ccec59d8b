"""One process of a service: the app, its HTTP API, and what it tells. Used by ``run`` and by each worker of it."""

from __future__ import annotations

import asyncio
import socket
import sys
from collections.abc import Callable, Coroutine, Sequence
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any, TypeVar

import msgspec

from everfold.cli.app_option import find_service
from everfold.cli.banner import lines_about, serves
from everfold.cli.following import telling
from everfold.cli.stopping import Stopping
from everfold.errors import ConfigurationError, MissingExtra, StoreError

if TYPE_CHECKING:
    from everfold.app.application import App
    from everfold.http.api import HttpApi

__all__ = ["Plan", "Started", "app_of", "check_installed", "find_planned", "open_socket", "run_loop", "serve"]

R = TypeVar("R")
LAST_LOOK_SECONDS = 2.0
NEEDED = ("starlette", "uvicorn", "httptools")


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """What was asked for; goes to the workers as it is."""

    application: str | None
    settings: dict[str, Any] = {}
    """Those given as options."""
    http: bool = True
    follows: bool = False
    is_quiet: bool = False
    tells: bool = True
    """Whether this process tells what happens, of several that do the same."""
    shows_link: bool = False
    """Whether it also tells how to sign in when nobody sits at a terminal: what it says may be kept in a log."""


class Started(msgspec.Struct, frozen=True):
    """What a process says once it serves."""

    name: str
    lines: Sequence[str]


def find_planned(plan: Plan) -> App | HttpApi:
    """The application, with the options as settings."""
    if plan.http:
        check_installed()
    found = find_service(plan.application)
    app = app_of(found)
    app.override(**plan.settings)
    settings = app.settings().values
    if settings.log_format is not None:
        from everfold.telemetry.logs import configure_logging

        configure_logging(settings)
    return found


def check_installed() -> None:
    """MissingExtra when there are no libraries to serve HTTP with."""
    if not all(map(find_spec, NEEDED)):
        raise MissingExtra("The HTTP service", "http")


def app_of(service: App | HttpApi) -> App:
    """The app itself."""
    from everfold.app.application import App

    return service if isinstance(service, App) else service.app


def open_socket(plan: Plan, service: App | HttpApi) -> socket.socket | None:
    """What the service listens on; several processes share one."""
    if not plan.http:
        return None
    from everfold.http.server import listen

    return listen(app_of(service).settings().values)


def run_loop(work: Coroutine[Any, Any, R]) -> R:
    """Run it to the end, on uvloop where that is installed."""
    try:
        import uvloop
    except ImportError:
        return asyncio.run(work)
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(work)


async def serve(
    plan: Plan,
    service: App | HttpApi,
    listening: socket.socket | None,
    stopping: Stopping,
    *,
    tell: Callable[[Started], None],
) -> str:
    """Run the service until it is asked to stop; where the log ends then, in words."""
    from everfold.app.application import App

    if listening is None:
        return await _run(plan, app_of(service), stopping, tell)
    from everfold.http.api import HttpApi
    from everfold.http.server import HttpServer, settle_memory, url_of

    api = HttpApi(service) if isinstance(service, App) else service
    app, url = api.app, url_of(listening)
    try:
        async with api.lifespan():
            head = await app.store.head()
            serving = asyncio.Event()
            server = HttpServer(api, app.settings().values, when_serving=serving.set, when_stopping=api.end_live)
            with stopping.means(server.stop, server.force):
                async with _told(plan, app, head, server.stop):
                    ending = asyncio.ensure_future(server.serve([listening]))
                    await _first(serving.wait(), ending)
                    settle_memory()
                    link = await _sign_in(plan, api, url)
                    tell(Started(app.name, lines_about(app, head, url=url, link=link)))
                    await ending
            return await _place(app)
    finally:
        listening.close()


async def _run(plan: Plan, app: App, stopping: Stopping, tell: Callable[[Started], None]) -> str:
    async with app:
        head = await app.store.head()
        ending = asyncio.Event()
        with stopping.means(ending.set, ending.set):
            async with _told(plan, app, head, ending.set):
                tell(Started(app.name, lines_about(app, head, url=None)))
                await ending.wait()
        return await _place(app)


async def _place(app: App) -> str:
    """Told when it ends. That does not wait for a store which is away: what was acknowledged is stored all the same."""
    try:
        async with asyncio.timeout(LAST_LOOK_SECONDS):
            return f"at position {await app.store.head()}"
    except (TimeoutError, StoreError):
        return "while the store could not be reached"


async def _sign_in(plan: Plan, api: HttpApi, url: str) -> str | None:
    from everfold.http.gate import GateKeeper

    gate = api.gate
    if not plan.tells or not isinstance(gate, GateKeeper) or not serves(url, api.app.settings().values.role):
        return None
    if not gate.asks:
        return "not needed: everybody may do everything (setting authentication)"
    if not plan.shows_link and not sys.stdout.isatty():
        return "with a token: everfold tokens create"
    return f"{await gate.new_sign_in_link(url)} (once, within 10 minutes)"


def _told(plan: Plan, app: App, head: int, stop: Callable[[], None]) -> Any:
    follows, is_quiet = plan.follows and plan.tells, plan.is_quiet or not plan.tells
    return telling(app, after=head, follows=follows, is_quiet=is_quiet, when_failed=stop)


async def _first(beginning: Coroutine[Any, Any, Any], ending: asyncio.Future[None]) -> None:
    """Until it has begun, or has ended before."""
    task = asyncio.ensure_future(beginning)
    await asyncio.wait([task, ending], return_when=asyncio.FIRST_COMPLETED)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


def check_shared(app: App, processes: int) -> None:
    """ConfigurationError when several processes cannot serve the app together."""
    from everfold.cli.store_option import app_store

    if processes == 1:
        return
    if sys.platform == "win32":
        raise ConfigurationError("Several workers need signals and shared sockets, which Windows has not. Start one.")
    if app.engine is not None or app_store(app).startswith("memory:"):
        raise ConfigurationError(
            f"{processes} workers cannot share the store of {app.name!r}, which lives inside a process. Give it a file "
            "or a database."
        )
