"""Events set aside by projections, over HTTP: look, try again, do without, give other fields. Used by ``api``."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Annotated, Any

import msgspec
from msgspec import Meta
from starlette.requests import Request
from starlette.responses import Response

from everfold.app.application import App
from everfold.errors import NotFound
from everfold.http.json_response import JsonResponse, encode
from everfold.http.operation import Needs, Operation
from everfold.http.parameters import BODY_PROBLEMS, HIGHEST, Body, QueryString, path_parameter
from everfold.identifiers import check_stream
from everfold.log.record_json import RecordJson, record_json
from everfold.log.selection import EVERYTHING
from everfold.projections.parked_json import ParkedJson, parked_json
from everfold.projections.parking import Retried
from everfold.security.audited_operations import audited_operations
from everfold.security.principal import current_principal

__all__ = ["ParkedDetail", "ParkedList", "RetriedJson", "Skip", "Substitute", "parked_operations"]

PROJECTION = path_parameter("projection", "The name of the projection, as in account-summaries.")
STREAM = path_parameter("stream", "The stream whose events are set aside, as in account-a1.")
OF_STREAM = "/parked/{projection}/{stream}"
PROBLEMS = ("not-found", "invalid-name", "read-model-not-ready")
Reason = Annotated[str, Meta(min_length=1, max_length=400, description="Why, for those who come after you.")]
At = Annotated[int, Meta(ge=1, le=HIGHEST, description="The position of the event that the projection failed on.")]


class ListParameters(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Of which projection."""

    projection: Annotated[str | None, Meta(description="Only those of this projection.")] = None


class ParkedList(msgspec.Struct, frozen=True):
    """Events that projections gave up on."""

    parked: Sequence[ParkedJson]


class WaitingJson(msgspec.Struct, frozen=True):
    """An event that waits."""

    position: int
    type: str


class ParkedDetail(msgspec.Struct, frozen=True, kw_only=True):
    """An event that a projection gave up on: why, the event, and what waits behind it."""

    parked: ParkedJson
    traceback: str
    record: RecordJson
    waiting: Sequence[WaitingJson]
    """The first of those behind it in its stream, up to 200."""


class Skip(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The projection does without an event for ever."""

    position: At
    reason: Reason


class Substitute(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The projection is given other fields for an event. The record stays as it is."""

    position: At
    data: Annotated[dict[str, Any], Meta(description="All fields of the event.")]
    reason: Reason


class Failed(msgspec.Struct, frozen=True):
    """The event that failed again."""

    position: int
    stream: str
    error: str


class RetriedJson(msgspec.Struct, frozen=True):
    """What came of trying again."""

    projection: str
    applied: int
    """Events that are off the list."""
    still_parked: Failed | None
    """What failed again; those behind it wait on."""


_list = QueryString(ListParameters)


def parked_operations(app: App) -> Iterator[Operation]:
    """Looking at events set aside, and dealing with them."""
    routes = ParkedRoutes(app)
    yield Operation(
        id="list-parked",
        method="GET",
        path="/parked",
        group="parked",
        summary="The events that projections gave up on",
        needs=Needs.VIEWER,
        endpoint=routes.list,
        parameters=_list.described,
        replies={200: ParkedList},
        problems=("not-found", "invalid-parameter"),
    )
    yield _of_stream("show-parked", "GET", OF_STREAM, "Why a projection gave up on an event", routes.show, ParkedDetail)
    yield _of_stream("retry-parked", "POST", f"{OF_STREAM}/retry", "Try the events of a stream again", routes.retry)
    yield _of_stream("skip-parked", "POST", f"{OF_STREAM}/skip", "Do without an event", routes.skip, body=Skip)
    yield _of_stream(
        "substitute-parked",
        "POST",
        f"{OF_STREAM}/substitute",
        "Give a projection other fields for an event",
        routes.substitute,
        body=Substitute,
    )


def _of_stream(
    id: str, method: str, path: str, summary: str, endpoint: Any, reply: Any = RetriedJson, *, body: Any = None
) -> Operation:
    return Operation(
        id=id,
        method=method,
        path=path,
        group="parked",
        summary=summary,
        needs=Needs.VIEWER if method == "GET" else Needs.OPERATOR,
        endpoint=endpoint,
        parameters=(PROJECTION, STREAM),
        body=body,
        replies={200: reply},
        problems=(*PROBLEMS, "invalid-parameter", "invalid-message", *BODY_PROBLEMS) if body else PROBLEMS,
    )


class ParkedRoutes:
    """Answers about events set aside."""

    def __init__(self, app: App) -> None:
        self._app = app
        settings = app.settings().values
        limit, seconds = settings.max_request_bytes, settings.request_timeout
        self._skip = Body(Skip, limit=limit, seconds=seconds)
        self._substitute = Body(Substitute, limit=limit, seconds=seconds)

    async def list(self, request: Request) -> Response:
        """Those of all projections, or of one."""
        found = await self._app.projections.parked(_list.read(request).projection)
        return JsonResponse(ParkedList([parked_json(parked) for parked in found]))

    async def show(self, request: Request) -> Response:
        """The one that a projection failed on in a stream."""
        projection, stream = _path(request)
        app = self._app
        found = await app.projections.behind(projection, stream)
        if not found:
            raise _nothing(projection, stream)
        first = found[0]
        records = await app.store.engine.read(EVERYTHING, after=first.position - 1, limit=1)
        detail = ParkedDetail(
            parked=parked_json(first),
            traceback=first.traceback,
            record=record_json(records[0]),
            waiting=[WaitingJson(each.position, each.type) for each in found[1:]],
        )
        return JsonResponse(detail)

    async def retry(self, request: Request) -> Response:
        """Try those of a stream, in order, until one fails."""
        projection, stream = _path(request)
        await self._check(projection, stream)
        return _retried(projection, await audited_operations(self._app).retry(projection, stream))

    async def skip(self, request: Request) -> Response:
        """Do without one."""
        projection, stream = _path(request)
        body = await self._skip.read(request)
        await self._check(projection, stream, body.position)
        done = await audited_operations(self._app).skip(
            projection, body.position, reason=body.reason, actor=current_principal().name
        )
        return _retried(projection, done)

    async def substitute(self, request: Request) -> Response:
        """Give one other fields."""
        projection, stream = _path(request)
        body = await self._substitute.read(request)
        await self._check(projection, stream, body.position)
        done = await audited_operations(self._app).substitute(
            projection,
            body.position,
            encode(body.data).decode(),
            reason=body.reason,
            actor=current_principal().name,
        )
        return _retried(projection, done)

    async def _check(self, projection: str, stream: str, position: int | None = None) -> None:
        """The event has to be what the projection fails on in this stream: somebody may have dealt with it."""
        found = await self._app.projections.behind(projection, stream)
        if not found:
            raise _nothing(projection, stream)
        if position is not None and position != found[0].position:
            raise NotFound(
                f"event of {stream} that {projection} failed on at position",
                str(position),
                f"It is the one at {found[0].position}.",
            )


def _path(request: Request) -> tuple[str, str]:
    return request.path_params["projection"], check_stream(request.path_params["stream"])


def _nothing(projection: str, stream: str) -> NotFound:
    return NotFound("stream with events set aside", stream, f"{projection} has none of it.")


def _retried(projection: str, found: Retried) -> Response:
    still = found.still_parked
    failed = None if still is None else Failed(still.position, still.stream, still.error)
    return JsonResponse(RetriedJson(projection, found.applied, failed))
