"""Commands over HTTP: ``POST /commands/{name}``, and the route that a command declares for itself. Used by ``api``."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Any, Generic, Literal, TypeVar
from urllib.parse import quote

import msgspec
from msgspec import Meta
from starlette.datastructures import Headers
from starlette.requests import Request
from starlette.responses import Response

from everfold.app.application import App
from everfold.app.done import Done
from everfold.codec.metadata import reset_metadata, set_metadata
from everfold.domain.message import message_definition
from everfold.domain.reply import reply_type
from everfold.errors import Conflict, PreconditionFailed
from everfold.http.json_response import JsonResponse
from everfold.http.links import root_of, route_path
from everfold.http.message_reader import MessageReader
from everfold.http.message_texts import PATH_FIELD, group_of, summary_of, text_of
from everfold.http.operation import Needs, Operation, Parameter
from everfold.http.preconditions import POSITION, expected_version, idempotency_key, version_tag
from everfold.http.request_body import read_json_body
from everfold.http.request_context import metadata_of
from everfold.identifiers import key_of
from everfold.security.principal import current_principal

__all__ = ["CommandReply", "command_operations"]

R = TypeVar("R")
HEADERS = (
    Parameter(
        name="Idempotency-Key",
        place="header",
        type=Annotated[str, Meta(min_length=1, max_length=255)],
        about="Sent again with it, the command has one effect.",
    ),
    Parameter(
        name="If-Match",
        place="header",
        type=Annotated[str, Meta(pattern='^"[0-9]{1,18}"$')],
        about='The version that the stream must have, as in "3".',
    ),
    Parameter(name="If-None-Match", place="header", type=Literal["*"], about="The stream has to be new."),
)
PROBLEMS = (
    "malformed-request", "body-too-large", "unsupported-media-type", "request-too-slow", "invalid-message",
    "invalid-name", "invalid-event", "payload-too-large", "rejected", "not-found", "conflict", "precondition-failed",
    "idempotency-key-reused", "timed-out", "outcome-unknown", "store-busy", "store-full",
)  # fmt: skip


class CommandReply(msgspec.Struct, Generic[R], frozen=True, kw_only=True):
    """What became of a command that was accepted. It is durable."""

    reply: R
    """What its decision returned."""
    id: str | None
    """The key of the stream that it was mainly about."""
    stream: str | None
    version: int
    """The version that the stream has reached; also the ETag."""
    position: int
    """Give it to a query (Everfold-After) to read your own write."""
    events: tuple[str, ...]
    """The types of what was recorded."""
    repeated: bool
    """Whether it had been executed before under its Idempotency-Key: all else is the outcome it had then."""


def command_operations(app: App) -> Iterator[Operation]:
    """Every command under its name, and once more under the route that it declares."""
    for name, command in sorted(app.commands().items()):
        definition = message_definition(command)
        yield _operation(app, command, f"execute-{name}", "POST", f"/commands/{name}", "commands")
        if definition is not None and definition.route is not None:
            method, path = definition.route.split(" ", 1)
            yield _operation(app, command, f"{method.lower()}-{name}", method, path, group_of(path))


def _operation(app: App, command: type, id: str, method: str, path: str, group: str) -> Operation:
    endpoint = CommandEndpoint(app, command, method, path)
    reply: Any = CommandReply[reply_type(command)]  # type: ignore[misc]
    return Operation(
        id=id,
        method=method,
        path=path,
        group=group,
        summary=summary_of(command),
        about=text_of(command),
        needs=Needs.POLICY,
        endpoint=endpoint,
        parameters=(*endpoint.path_parameters(), *HEADERS),
        body=endpoint.reader.rest if endpoint.takes_body else None,
        replies={200: reply, 201: reply} if endpoint.creates else {200: reply},
        reply_headers=("ETag", "Everfold-Position", "Location"),
        problems=PROBLEMS,
        message=command,
    )


class CommandEndpoint:
    """Takes requests of one route to the command bus."""

    def __init__(self, app: App, command: type, method: str, path: str) -> None:
        self._app = app
        self._settings = app.settings().values
        self._registry = app.codec().registry
        self.path_fields = tuple(PATH_FIELD.findall(path))
        self.reader = MessageReader(command, self.path_fields)
        self._is_put = method == "PUT"
        self.creates = self._is_put or (method == "POST" and not self.path_fields and not path.startswith("/commands/"))
        """Whether a stream that comes into being is told by status and Location, as REST clients expect."""
        self.takes_body = bool(self.reader.rest_fields)

    def path_parameters(self) -> tuple[Parameter, ...]:
        """Those in braces, with their types."""
        return tuple(
            Parameter(name=field.name, place="path", type=field.type, required=True)
            for field in self.reader.path_fields
        )

    async def __call__(self, request: Request) -> Response:
        """Execute the command that the request carries."""
        headers = request.headers
        command = self.reader.from_body(await self._body(request), request.path_params)
        principal = current_principal()
        actor = principal.name if principal.is_known else None
        token = set_metadata(metadata_of(headers, actor, principal.tenant))
        try:
            done = await self._execute(command, headers)
        finally:
            reset_metadata(token)
        return self._response(done, request)

    async def _body(self, request: Request) -> bytes:
        if not self.takes_body and "content-type" not in request.headers:
            return b""
        settings = self._settings
        return await read_json_body(request, limit=settings.max_request_bytes, seconds=settings.request_timeout)

    async def _execute(self, command: Any, headers: Headers) -> Done[Any]:
        expected = expected_version(headers)
        try:
            return await self._app.execute(
                command,
                idempotency_key=idempotency_key(headers),
                expected=expected,
                timeout=self._settings.request_timeout,
            )
        except Conflict as error:
            if expected is None or error.expected != expected:
                raise
            raise PreconditionFailed(str(error), expected=expected, actual=error.actual) from error

    def _response(self, done: Done[Any], request: Request) -> Response:
        events = tuple([self._registry.by_class[type(event)].name for event in done.events])
        id = None if done.stream is None else key_of(done.stream)
        headers = {POSITION: str(done.position)}
        if done.version:
            headers["etag"] = version_tag(done.version)
        is_new = self.creates and bool(events) and done.version == len(events)
        if is_new and id is not None:
            headers["location"] = self._location(root_of(request.scope) + route_path(request.scope), id)
        reply = CommandReply(
            reply=done.reply,
            id=id,
            stream=done.stream,
            version=int(done.version),
            position=int(done.position),
            events=events,
            repeated=done.repeated,
        )
        return JsonResponse(reply, 201 if is_new else 200, headers)

    def _location(self, path: str, id: str) -> str:
        """Where a REST client looks for what it has made: below the path for POST, at the path for PUT."""
        return quote(path) if self._is_put else f"{quote(path.rstrip('/'))}/{quote(id, safe='')}"
