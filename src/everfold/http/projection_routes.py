"""Projections over HTTP: how they are, and pausing, resuming, resetting and rebuilding them. Used by ``api``."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Annotated, Any

import msgspec
from msgspec import Meta
from starlette.requests import Request
from starlette.responses import Response

from everfold.app.application import App
from everfold.http.json_response import JsonResponse
from everfold.http.links import link_to
from everfold.http.operation import Needs, Operation
from everfold.http.parameters import BODY_PROBLEMS, Body, path_parameter
from everfold.http.rebuilds import RebuildJson, Rebuilds
from everfold.projections.status_json import StatusJson, lag_of, status_json
from everfold.security.audited_operations import audited_operations

__all__ = ["Pause", "ProjectionList", "Reset", "projection_operations"]

NAME = path_parameter("name", "The name of the projection, as in account-summaries.")
CHANGING = ("not-found", "store-busy", "store-full")


class ProjectionList(msgspec.Struct, frozen=True):
    """Every projection."""

    projections: Sequence[StatusJson]


class Pause(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Why a projection is to wait."""

    reason: Annotated[str, Meta(min_length=1, max_length=400, description="Why, for those who come after you.")]


class Reset(msgspec.Struct, frozen=True):
    """The new build that is read now, empty at first."""

    name: str
    build: int


def projection_operations(app: App, rebuilds: Rebuilds) -> Iterator[Operation]:
    """Looking at projections, and operating them."""
    routes = ProjectionRoutes(app, rebuilds)
    one = "/projections/{name}"
    look, act = Needs.VIEWER, Needs.OPERATOR
    yield _operation("list-projections", "GET /projections", "Every projection", look, routes.list, ProjectionList)
    yield _operation("show-projection", f"GET {one}", "How a projection is", look, routes.show, StatusJson)
    yield _operation("pause-projection", f"POST {one}/pause", "Have it wait", act, routes.pause, StatusJson, body=Pause)
    yield _operation("resume-projection", f"POST {one}/resume", "Have it go on", act, routes.resume, StatusJson)
    yield _operation(
        "reset-projection", f"POST {one}/reset", "Begin anew with empty tables", Needs.ADMIN, routes.reset, Reset
    )
    yield _operation(
        "rebuild-projection",
        f"POST {one}/rebuild",
        "Build it anew beside the tables that are read, then switch",
        act,
        routes.rebuild,
        RebuildJson,
        status=202,
    )
    yield _operation(
        "show-rebuild", f"GET {one}/rebuild", "How its rebuild goes, or went", look, routes.show_rebuild, RebuildJson
    )


def _operation(
    id: str, route: str, summary: str, needs: Needs, endpoint: Any, reply: Any, *, body: Any = None, status: int = 200
) -> Operation:
    method, path = route.split(" ")
    problems = () if path == "/projections" else ("not-found",) if method == "GET" else CHANGING
    return Operation(
        id=id,
        method=method,
        path=path,
        group="projections",
        summary=summary,
        needs=needs,
        endpoint=endpoint,
        parameters=(NAME,) if "{name}" in path else (),
        body=body,
        replies={status: reply},
        reply_headers=("Location",) if status == 202 else (),
        problems=(*problems, "invalid-parameter", *BODY_PROBLEMS) if body else problems,
    )


class ProjectionRoutes:
    """Answers about projections."""

    def __init__(self, app: App, rebuilds: Rebuilds) -> None:
        self._app = app
        self._rebuilds = rebuilds
        settings = app.settings().values
        self._pause = Body(Pause, limit=settings.max_request_bytes, seconds=settings.request_timeout)

    async def list(self, _request: Request) -> Response:
        """All of them."""
        names = self._app.projections.names()
        return JsonResponse(ProjectionList([await self._status(name) for name in names]))

    async def show(self, request: Request) -> Response:
        """One of them."""
        return JsonResponse(await self._status(request.path_params["name"]))

    async def _status(self, name: str) -> StatusJson:
        app = self._app
        status = await app.projections.status(name)
        return status_json(status, await lag_of(app.store.engine, status, app.clock.micros()))

    async def pause(self, request: Request) -> Response:
        """Have one wait until it is resumed, in every process."""
        name = request.path_params["name"]
        await audited_operations(self._app).pause(name, (await self._pause.read(request)).reason)
        return JsonResponse(await self._status(name))

    async def resume(self, request: Request) -> Response:
        """Have one go on."""
        name = request.path_params["name"]
        await audited_operations(self._app).resume(name)
        return JsonResponse(await self._status(name))

    async def reset(self, request: Request) -> Response:
        """Empty the tables of one, and have it begin with the first event."""
        name = request.path_params["name"]
        return JsonResponse(Reset(name, await audited_operations(self._app).reset(name)))

    async def rebuild(self, request: Request) -> Response:
        """Begin to build one anew; how it goes is told elsewhere."""
        name = request.path_params["name"]
        found = await self._rebuilds.start(name)
        return JsonResponse(found, 202, {"location": link_to(request, f"/projections/{found.projection}/rebuild")})

    async def show_rebuild(self, request: Request) -> Response:
        """How the rebuild of one goes."""
        name = request.path_params["name"]
        await self._app.projections.status(name)
        return JsonResponse(self._rebuilds.of(name))
