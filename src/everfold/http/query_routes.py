"""Queries over HTTP: ``GET /queries/{name}?field=value``, POST for large ones, and own routes. Used by ``api``."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Annotated, Any

import msgspec
from msgspec import Meta
from starlette.datastructures import Headers
from starlette.requests import Request
from starlette.responses import Response

from everfold.app.application import App
from everfold.app.done import Place
from everfold.domain.message import message_definition
from everfold.domain.reply import reply_type
from everfold.errors import MalformedRequest
from everfold.http.json_response import JsonResponse
from everfold.http.message_reader import MessageReader
from everfold.http.message_texts import PATH_FIELD, group_of, summary_of, text_of
from everfold.http.operation import Needs, Operation, Parameter
from everfold.http.preconditions import MAX_DIGITS, POSITION, is_known, wanted_position
from everfold.http.quick_request import query_pairs
from everfold.http.request_body import read_json_body
from everfold.identifiers import Position

__all__ = ["query_operations", "query_parameter"]

AS_OF = "everfold-as-of"
PositionNumber = Annotated[int, Meta(ge=0, lt=10**MAX_DIGITS)]
HEADERS = (
    Parameter(
        name="Everfold-After",
        place="header",
        type=PositionNumber,
        about="The answer knows everything up to this position.",
    ),
    Parameter(
        name="Everfold-As-Of",
        place="header",
        type=PositionNumber | datetime,
        about="A position, or a time: the answer as it was then.",
    ),
    Parameter(name="If-None-Match", place="header", type=str, about="The ETag of an answer that is at hand."),
)
PROBLEMS = (
    "malformed-request", "invalid-message", "invalid-name", "not-found", "read-model-behind", "read-model-not-ready",
    "timed-out",
)  # fmt: skip
BODY_PROBLEMS = ("body-too-large", "unsupported-media-type", "request-too-slow")


def query_operations(app: App) -> Iterator[Operation]:
    """Every query under its name, by GET and by POST, and once more under the route that it declares."""
    for name, query in sorted(app.queries().items()):
        definition = message_definition(query)
        yield _operation(app, query, f"ask-{name}", "GET", f"/queries/{name}")
        yield _operation(app, query, f"ask-{name}-by-post", "POST", f"/queries/{name}")
        if definition is not None and definition.route is not None:
            method, path = definition.route.split(" ", 1)
            yield _operation(app, query, f"{method.lower()}-{name}", method, path)


def _operation(app: App, query: type, id: str, method: str, path: str) -> Operation:
    reads_body = method != "GET"
    reader = MessageReader(query, PATH_FIELD.findall(path))
    in_path = [Parameter(name=field.name, place="path", type=field.type, required=True) for field in reader.path_fields]
    in_query = [] if reads_body else [query_parameter(field, reader) for field in reader.rest_fields]
    return Operation(
        id=id,
        method=method,
        path=path,
        group=group_of(path),
        summary=summary_of(query),
        about=text_of(query),
        needs=Needs.POLICY,
        endpoint=QueryEndpoint(app, reader, reads_body=reads_body),
        parameters=(*in_path, *in_query, *HEADERS),
        body=reader.rest if reads_body else None,
        replies={200: reply_type(query), 304: None},
        reply_headers=("ETag", "Everfold-Position"),
        problems=(*PROBLEMS, *BODY_PROBLEMS) if reads_body else PROBLEMS,
        message=query,
    )


def query_parameter(field: msgspec.structs.FieldInfo, reader: MessageReader) -> Parameter:
    """A field of a query, as it is given in a query string."""
    name = field.encode_name
    as_json = name in reader.json_fields
    return Parameter(name=name, place="query", type=field.type, required=field.required, as_json=as_json)


class QueryEndpoint:
    """Takes requests of one route to the query bus."""

    def __init__(self, app: App, reader: MessageReader, *, reads_body: bool) -> None:
        self._app = app
        self._settings = app.settings().values
        self._reader = reader
        self._reads_body = reads_body

    async def __call__(self, request: Request) -> Response:
        """Ask the query that the request carries."""
        query = await self._query(request)
        headers = request.headers
        as_of = _as_of(headers)
        after = await self._after(headers)
        if "if-none-match" in headers and after is None and as_of is None and self._app.authorize is None:
            tag = _tag(await self._app.version(self._reader.message))
            if is_known(headers, tag):  # found without asking: a policy would have to be asked, and after waited for
                return Response(status_code=304, headers=_cached(tag))
        limit = self._settings.request_timeout if after is None else None
        answered = await self._app.answer(query, after=after, as_of=as_of, timeout=limit)
        tag = _tag(answered.version) if as_of is None else None
        found = _cached(tag)
        if answered.position is not None:
            found[POSITION] = str(int(answered.position))
        if is_known(headers, tag):
            return Response(status_code=304, headers=found)
        return JsonResponse(answered.value, 200, found)

    async def _query(self, request: Request) -> Any:
        if not self._reads_body:
            return self._reader.from_query_string(query_pairs(request), request.path_params)
        settings = self._settings
        body = await read_json_body(request, limit=settings.max_request_bytes, seconds=settings.request_timeout)
        return self._reader.from_body(body, request.path_params)

    async def _after(self, headers: Headers) -> Position | None:
        wanted = wanted_position(headers)
        if wanted is None or not wanted:
            return None
        head = await self._app.store.head()
        if wanted > head:
            raise MalformedRequest(f"Everfold-After: {wanted} is beyond the log, which ends at {head}.")
        return wanted


def _tag(version: str | None) -> str | None:
    """A weak entity tag: the same tables give the same answer, though perhaps not the same bytes."""
    return None if version is None else f'W/"{version}"'


def _cached(tag: str | None) -> dict[str, str]:
    """May be kept, and has to be asked for again each time, which is cheap."""
    return {} if tag is None else {"etag": tag, "cache-control": "private, no-cache"}


def _as_of(headers: Headers) -> Place:
    given = headers.get(AS_OF)
    if given is None:
        return None
    given = given.strip()
    if given.isascii() and given.isdigit() and len(given) <= MAX_DIGITS:
        return Position(given)
    try:
        moment = datetime.fromisoformat(given)
        moment.timestamp()  # of a year that is too early or too late there is none
    except (ValueError, OverflowError):
        moment = None
    if moment is None or moment.tzinfo is None:
        raise MalformedRequest(
            f"Everfold-As-Of: {given[:50]!r} is no position, and no time with a zone as in 2030-01-31T12:00:00Z."
        )
    return moment
