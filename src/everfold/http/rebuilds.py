"""Rebuilds of projections that were asked for over HTTP: they go on after the answer, and tell how far they are.

One at a time for each projection; asking again while it goes on is no second one. Used by the routes of projections.
"""

from __future__ import annotations

import asyncio
import logging
from datetime import datetime
from functools import partial

import msgspec

from everfold.app.application import App
from everfold.clock import from_micros
from everfold.errors import EverfoldError, NotFound
from everfold.http.problem import problem_of
from everfold.security.audited_operations import audited_operations

__all__ = ["RebuildJson", "Rebuilds"]

RUNNING, DONE, FAILED, STOPPED = "running", "done", "failed", "stopped"
log = logging.getLogger("everfold.http")


class RebuildJson(msgspec.Struct, frozen=True, kw_only=True):
    """How the last rebuild of a projection goes, or went."""

    projection: str
    state: str
    """``running``, ``done``, ``failed``, or ``stopped`` with the service: then nothing has changed."""
    position: int
    """How far the new tables are."""
    head: int
    """How far they have to be."""
    build: int | None = None
    """The number of the new build, once it is read."""
    error: str | None = None
    started: datetime
    ended: datetime | None = None


class Rebuilds:
    """Those of one API."""

    def __init__(self, app: App) -> None:
        self._app = app
        self._found: dict[str, RebuildJson] = {}
        self._tasks: dict[str, asyncio.Task[None]] = {}

    def of(self, name: str) -> RebuildJson:
        """The last rebuild of this projection that was asked for here; NotFound when there was none."""
        found = self._found.get(name)
        if found is None:
            raise NotFound("rebuild of", name, "None was asked for over HTTP since this process began.")
        return found

    async def start(self, name: str) -> RebuildJson:
        """Begin one, or tell about the one that goes on."""
        status = await self._app.projections.status(name)
        if status.mode == "live":
            raise NotFound("table of", name, "It is folded when it is asked (mode='live'), and nothing is kept of it.")
        running = self._tasks.get(name)
        if running is None or running.done():
            self._found[name] = RebuildJson(
                projection=name, state=RUNNING, position=0, head=status.head, started=self._now()
            )
            self._tasks[name] = asyncio.create_task(self._run(name), name=f"everfold-http-rebuild-{name}")
        return self._found[name]

    async def _run(self, name: str) -> None:
        try:
            number = await audited_operations(self._app).rebuild(name, partial(self._progress, name))
            self._end(name, state=DONE, build=number, position=self._found[name].head)
        except asyncio.CancelledError:
            self._end(name, state=STOPPED)
            raise
        except EverfoldError as error:
            log.warning("The rebuild of %s has failed: %s", name, error)
            self._end(name, state=FAILED, error=str(error))
        except Exception as error:
            self._end(name, state=FAILED, error=problem_of(error).detail)

    def _progress(self, name: str, position: int, head: int) -> None:
        self._found[name] = msgspec.structs.replace(self._found[name], position=position, head=head)

    def _end(self, name: str, **facts: object) -> None:
        self._found[name] = msgspec.structs.replace(self._found[name], ended=self._now(), **facts)

    def _now(self) -> datetime:
        return from_micros(self._app.clock.micros())

    async def stop(self) -> None:
        """End them, because the app stops. What was begun is dropped with the next rebuild."""
        for task in self._tasks.values():
            task.cancel()
        await asyncio.gather(*self._tasks.values(), return_exceptions=True)
        self._tasks.clear()
