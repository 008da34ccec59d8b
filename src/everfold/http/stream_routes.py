"""Streams over HTTP: which there are, their records, and the state folded from them at any time. Used by ``api``."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Annotated, Any

import msgspec
from msgspec import Meta
from starlette.requests import Request
from starlette.responses import Response

from everfold.app.application import App
from everfold.clock import from_micros
from everfold.domain.aggregate import Aggregate
from everfold.errors import InvalidParameter, NotFound
from everfold.http.json_response import JsonResponse
from everfold.http.links import Links, link_header, link_to
from everfold.http.operation import Needs, Operation, Parameter
from everfold.http.parameters import Limit, Place, QueryString, path_parameter
from everfold.http.preconditions import POSITION, is_known, version_tag
from everfold.http.stream_history import Change, read_history
from everfold.identifiers import Position, Version, category_of, check_stream, key_of
from everfold.log.catalogue import StreamInfo
from everfold.log.record_json import RecordJson, record_json
from everfold.store.boundary import Tools
from everfold.store.cache import HotStates
from everfold.store.event_store import EventStore
from everfold.store.time_travel import At, load_at

__all__ = ["StreamHistory", "StreamList", "StreamPage", "StreamState", "stream_operations"]

STREAM = path_parameter("stream", "The name of the stream, as in account-a1.")
KNOWN = Parameter(name="If-None-Match", place="header", type=str, about="The ETag of a reply that is at hand.")


class ListParameters(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Which streams."""

    prefix: Annotated[str, Meta(description="Only streams whose names begin like this, as in account-.")] = ""
    after: Annotated[str, Meta(description="Only streams behind this name.")] = ""
    limit: Annotated[Limit, Meta(description="At most so many.")] = 100


class PageParameters(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Which part of a stream."""

    after: Annotated[Place, Meta(description="Only what follows this version.")] = 0
    limit: Annotated[Limit, Meta(description="At most so many.")] = 100


class StateParameters(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """At which place; none: now."""

    version: Annotated[Place | None, Meta(description="The state at this version of the stream.")] = None
    position: Annotated[Place | None, Meta(description="The state when the log ended at this position.")] = None
    at: Annotated[
        Annotated[datetime, Meta(tz=True)] | None, Meta(description="The state at this time, as 2030-01-31T12:00:00Z.")
    ] = None


class StreamList(msgspec.Struct, frozen=True):
    """Streams in order of their names."""

    streams: Sequence[StreamInfo]
    links: Links


class StreamPage(msgspec.Struct, frozen=True, kw_only=True):
    """Records of one stream, in order."""

    stream: str
    category: str
    key: str
    version: int
    """The version that the stream has: that of its last record, which may be on a later page."""
    position: int
    """The position of its last record."""
    records: Sequence[RecordJson]
    links: Links


class StreamState(msgspec.Struct, frozen=True, kw_only=True):
    """What the records of a stream say together."""

    stream: str
    category: str
    key: str
    aggregate: str
    version: int
    """The last record folded into the state."""
    position: int
    time: datetime
    state: Any


class StreamHistory(msgspec.Struct, frozen=True, kw_only=True):
    """A state, and how it changed, one JSON Patch (RFC 6902) for each record."""

    stream: str
    category: str
    key: str
    aggregate: str
    version: int
    """The version of ``state``."""
    state: Any
    changes: Sequence[Change]
    links: Links


def stream_operations(app: App) -> Iterator[Operation]:
    """Reading streams."""
    routes = StreamRoutes(app)
    yield _reading("list-streams", "/streams", "Streams in order of their names", routes.list, StreamList)
    yield _reading("read-stream", "/streams/{stream}", "The records of a stream", routes.read, StreamPage)
    yield _reading(
        "read-stream-state", "/streams/{stream}/state", "The state of an aggregate", routes.state, StreamState
    )
    yield _reading(
        "read-stream-history",
        "/streams/{stream}/history",
        "How the state of an aggregate changed",
        routes.history,
        StreamHistory,
    )


def _reading(id: str, path: str, summary: str, endpoint: Any, reply: Any) -> Operation:
    own = () if path == "/streams" else (STREAM,)
    is_tagged = path in {"/streams/{stream}", "/streams/{stream}/state"}
    return Operation(
        id=id,
        method="GET",
        path=path,
        group="streams",
        summary=summary,
        needs=Needs.VIEWER,
        endpoint=endpoint,
        parameters=(*own, *PARAMETERS[id].described, *([KNOWN] if is_tagged else [])),
        replies={200: reply, 304: None} if is_tagged else {200: reply},
        reply_headers=HEADERS[id],
        problems=("invalid-parameter", "invalid-name", "not-found") if own else ("invalid-parameter",),
    )


_list, _page, _state = QueryString(ListParameters), QueryString(PageParameters), QueryString(StateParameters)
PARAMETERS: dict[str, QueryString[Any]] = {
    "list-streams": _list,
    "read-stream": _page,
    "read-stream-state": _state,
    "read-stream-history": _page,
}
HEADERS = {
    "list-streams": ("Link",),
    "read-stream": ("ETag", "Link"),
    "read-stream-state": ("ETag", "Everfold-Position"),
    "read-stream-history": ("Link",),
}


class StreamRoutes:
    """Answers about streams."""

    def __init__(self, app: App) -> None:
        self._app = app
        self._aggregates = app.aggregates()

    async def list(self, request: Request) -> Response:
        """A page of streams."""
        wanted = _list.read(request)
        store = self._app.store
        found = await store.streams(prefix=wanted.prefix, after=wanted.after, limit=wanted.limit + 1)
        page = found[: wanted.limit]
        query = msgspec.structs.asdict(wanted)
        links = Links(
            own=link_to(request, "/streams", query),
            next=link_to(request, "/streams", query | {"after": page[-1].stream}) if len(found) > len(page) else None,
        )
        return JsonResponse(StreamList(page, links), headers={"link": link_header(links)})

    async def read(self, request: Request) -> Response:
        """A page of one stream; its version is the ETag, as commands expect it (If-Match)."""
        stream, wanted = check_stream(request.path_params["stream"]), _page.read(request)
        engine = self._app.store.engine
        newest = await engine.read_stream(stream, limit=1, backwards=True)
        if not newest:
            raise NotFound("stream", stream)
        last = newest[0]
        headers = {"etag": version_tag(last.version), "cache-control": "private, no-cache"}
        if is_known(request.headers, headers["etag"]):
            return Response(status_code=304, headers=headers)
        records = await engine.read_stream(stream, after=wanted.after, until=last.version, limit=wanted.limit)
        links = _links(request, f"/streams/{stream}", wanted, records[-1].version if records else None, last.version)
        page = StreamPage(
            stream=stream,
            category=last.category,
            key=last.key,
            version=last.version,
            position=last.position,
            records=[record_json(record) for record in records],
            links=links,
        )
        return JsonResponse(page, headers=headers | {"link": link_header(links)})

    async def state(self, request: Request) -> Response:
        """The state now, or as it was."""
        stream, wanted = check_stream(request.path_params["stream"]), _state.read(request)
        aggregate = self._aggregate(stream)
        loaded = await load_at(aggregate, key_of(stream), _place(wanted), _tools(self._app.store, self._app))
        headers = {
            "etag": version_tag(loaded.version),
            "cache-control": "private, no-cache",
            POSITION: str(loaded.position),
        }
        if is_known(request.headers, headers["etag"]):
            return Response(status_code=304, headers=headers)
        found = StreamState(
            stream=stream,
            category=category_of(stream),
            key=key_of(stream),
            aggregate=aggregate.__name__,
            version=loaded.version,
            position=loaded.position,
            time=from_micros(loaded.recorded),
            state=loaded.state,
        )
        return JsonResponse(found, headers=headers)

    async def history(self, request: Request) -> Response:
        """A state, and what each record after it changed."""
        stream, wanted = check_stream(request.path_params["stream"]), _page.read(request)
        aggregate, store = self._aggregate(stream), self._app.store
        found = await read_history(aggregate, stream, wanted.after, wanted.limit, _tools(store, self._app))
        newest = await store.engine.read_stream(stream, limit=1, backwards=True)
        reached = found.changes[-1].record.version if found.changes else None
        links = _links(request, f"/streams/{stream}/history", wanted, reached, newest[0].version)
        history = StreamHistory(
            stream=stream,
            category=category_of(stream),
            key=key_of(stream),
            aggregate=aggregate.__name__,
            version=found.version,
            state=found.state,
            changes=found.changes,
            links=links,
        )
        return JsonResponse(history, headers={"link": link_header(links)})

    def _aggregate(self, stream: str) -> type[Aggregate]:
        category = category_of(stream)
        found = self._aggregates.get(category)
        if found is None:
            raise NotFound(
                "aggregate of the category", category, f"There are: {', '.join(self._aggregates) or 'none'}."
            )
        return found


def _links(request: Request, path: str, wanted: PageParameters, reached: int | None, last: int) -> Links:
    query = msgspec.structs.asdict(wanted) | {"after": wanted.after or None}
    is_more = reached is not None and reached < last
    return Links(
        own=link_to(request, path, query),
        next=link_to(request, path, query | {"after": reached}) if is_more else None,
    )


def _place(wanted: StateParameters) -> At:
    places: list[At] = []
    if wanted.version is not None:
        places.append(Version(wanted.version))
    if wanted.position is not None:
        places.append(Position(wanted.position))
    if wanted.at is not None:
        places.append(wanted.at)
    if len(places) > 1:
        raise InvalidParameter("Give one of version, position and at, or none for the state now.")
    return places[0] if places else None


def _tools(store: EventStore, app: App) -> Tools:
    """What looking at states needs."""
    return Tools(events=store, codec=store.codec, hot=HotStates(0), clock=app.clock, snapshotters={}, is_checked=False)
