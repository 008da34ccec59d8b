"""How the service is, for load balancers and who starts it: ``/livez``, ``/readyz``, ``/version``. Used by ``api``.

Nobody has to sign in for them, and they tell nothing of what is stored.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, version
from typing import Any, Literal

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from everfold.app.application import App
from everfold.errors import EverfoldError, StoreClosed, StoreError
from everfold.http.json_response import JsonResponse
from everfold.http.operation import Endpoint, Needs, Operation
from everfold.log.selection import EVERYTHING
from everfold.projections.operations import ProjectionStatus

__all__ = ["Liveness", "ProjectionReadiness", "Readiness", "ServiceVersion", "everfold_version", "health_operations"]

GROUP = "health"
KEPT_SECONDS = 0.5
"""How long a finding is told again: anybody may ask, and looking costs a little."""
LOOK_SECONDS = 5.0
MICROS = 1_000_000
NEVER = {"cache-control": "no-store"}


class Liveness(msgspec.Struct, frozen=True):
    """The process is there and answers."""

    status: Literal["alive"] = "alive"


class ServiceVersion(msgspec.Struct, frozen=True):
    """What is running."""

    name: str
    """Of the framework."""
    version: str
    app: str


class ProjectionReadiness(msgspec.Struct, frozen=True, kw_only=True):
    """How far one projection is."""

    name: str
    state: str
    lag: int
    """How many records it has not dealt with."""
    lag_seconds: float
    """How long ago the oldest of them was recorded."""
    is_run: bool
    """Whether some process keeps it up to date."""


class Readiness(msgspec.Struct, frozen=True, kw_only=True):
    """Whether requests should be sent here, and if not, why."""

    status: Literal["ready", "not ready"]
    reasons: tuple[str, ...] = ()
    position: int | None = None
    """Where the log ends; null when it cannot be read."""
    projections: tuple[ProjectionReadiness, ...] = ()


def health_operations(app: App) -> Iterator[Operation]:
    """The three of them."""
    about = ServiceVersion("everfold", everfold_version(), app.name)
    yield _operation("livez", "Whether the process answers", _always(Liveness()), {200: Liveness})
    yield _operation(
        "readyz", "Whether requests should be sent here", ReadinessEndpoint(app), {200: Readiness, 503: Readiness}
    )
    yield _operation("version", "What is running", _always(about), {200: ServiceVersion})


def everfold_version() -> str:
    """Of the installed package."""
    try:
        return version("everfold")
    except PackageNotFoundError:
        return "unknown"


def _operation(name: str, summary: str, endpoint: Endpoint, replies: dict[int, Any]) -> Operation:
    return Operation(
        id=name,
        method="GET",
        path=f"/{name}",
        group=GROUP,
        summary=summary,
        needs=Needs.NOTHING,
        endpoint=endpoint,
        replies=replies,
    )


def _always(value: msgspec.Struct) -> Endpoint:
    async def endpoint(_: Request) -> Response:
        return JsonResponse(value, 200, NEVER)

    return endpoint


class ReadinessEndpoint:
    """Looks at the store and the projections, not more often than needed."""

    def __init__(self, app: App) -> None:
        self._app = app
        self._settings = app.settings().values
        self._attended: dict[str, float] = {}
        """When each projection was last seen to be run by somebody."""
        self._looking: asyncio.Future[Readiness] | None = None
        self._found = 0.0

    async def __call__(self, _: Request) -> Response:
        """200 when all is well, else 503."""
        found = await self._look_once()
        return JsonResponse(found, 200 if found.status == "ready" else 503, NEVER)

    async def _look_once(self) -> Readiness:
        looking = self._looking
        is_old = looking is None or (looking.done() and time.monotonic() - self._found > KEPT_SECONDS)
        if looking is None or is_old or looking.get_loop() is not asyncio.get_running_loop():
            self._looking = looking = asyncio.ensure_future(self._look())
        return await asyncio.shield(looking)

    async def _look(self) -> Readiness:
        try:
            async with asyncio.timeout(LOOK_SECONDS):
                return await self._readiness()
        except TimeoutError:
            return _not_ready(f"the store did not answer within {LOOK_SECONDS:g} s")
        except StoreClosed:
            return _not_ready("the app is not running")
        except StoreError as error:
            return _not_ready(f"the store cannot be read ({error.code})")
        except EverfoldError as error:
            return _not_ready(f"the projections cannot be looked at ({error.code})")
        finally:
            self._found = time.monotonic()

    async def _readiness(self) -> Readiness:
        app, settings = self._app, self._settings
        position = await app.store.engine.wait(-1)
        reasons: list[str] = []
        projections: list[ProjectionReadiness] = []
        for status in await app.projections.statuses():
            found = await self._projection(status)
            projections.append(found)
            if status.paused is not None:
                continue  # by decision: that its answers are old is what somebody wants
            if found.lag_seconds > settings.ready_lag:
                reasons.append(f"{found.name} is {found.lag_seconds:,.0f} s behind, more than {settings.ready_lag:g} s")
            if not self._is_attended(found, settings.lease_seconds):
                reasons.append(f"no process runs {found.name}")
        return Readiness(
            status="not ready" if reasons else "ready",
            reasons=tuple(reasons),
            position=int(position),
            projections=tuple(projections),
        )

    async def _projection(self, status: ProjectionStatus) -> ProjectionReadiness:
        seconds = 0.0
        if status.lag:
            first = await self._app.store.engine.read(EVERYTHING, after=status.position, limit=1)
            seconds = max(self._app.clock.micros() - first[0].recorded, 0) / MICROS if first else 0.0
        return ProjectionReadiness(
            name=status.name,
            state=status.state,
            lag=int(status.lag),
            lag_seconds=round(seconds, 3),
            is_run=status.mode != "async" or status.runner is not None,
        )

    def _is_attended(self, projection: ProjectionReadiness, grace: float) -> bool:
        """Also while one process takes over from another, which lasts as long as a lease."""
        now = time.monotonic()
        if projection.is_run:
            self._attended[projection.name] = now
        seen = self._attended.get(projection.name)
        return seen is not None and now - seen <= grace


def _not_ready(reason: str) -> Readiness:
    return Readiness(status="not ready", reasons=(reason,))
