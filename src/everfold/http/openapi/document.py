"""The OpenAPI 3.1 document: every operation of the table of routes, with its types, examples, problems and links.

The same application gives the same document, byte by byte. Used by ``openapi_routes``.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import msgspec

from everfold.app.application import App
from everfold.domain.example_values import example_of
from everfold.http.openapi.links import Links
from everfold.http.openapi.problem_replies import ProblemReplies
from everfold.http.openapi.schemas import Schemas
from everfold.http.operation import Needs, Operation, Parameter
from everfold.http.problem import Problem

__all__ = ["SECURITY", "openapi_document"]

VERSION = "3.1.1"
JSON = "application/json"
SECURITY: Mapping[str, Any] = {
    "token": {"type": "http", "scheme": "bearer", "description": "An API token of this service, or a JWT."},
    "session": {
        "type": "apiKey",
        "in": "cookie",
        "name": "__Host-everfold-session",
        "description": "Of a browser that signed in.",
    },
}
"""The ways to say who asks."""
HEADERS: Mapping[str, Any] = {
    "ETag": {
        "description": "Of a command or stream: the version, for If-Match. Of an answer: for If-None-Match.",
        "schema": {"type": "string"},
    },
    "Location": {
        "description": "Where what was made can be read.",
        "schema": {"type": "string", "format": "uri-reference"},
    },
    "Link": {
        "description": "The same links as in the body (RFC 8288): self, next, prev.",
        "schema": {"type": "string"},
    },
    "Everfold-Position": {
        "description": "The position in the log that a command has reached, or up to which an answer knows all.",
        "schema": {"type": "integer", "minimum": 0},
    },
}
"""Headers of replies that an operation may name (``Operation.reply_headers``)."""
TEXT: Mapping[str, Any] = {"type": "string"}
EVENT_STREAM = "text/event-stream"
EVENT: Mapping[str, Any] = {
    "description": "Each event of the stream.",
    "type": "object",
    "properties": {name: TEXT for name in ("id", "event", "data")},
}
REASONS = {200: "Done.", 201: "Done, and something new was made.", 202: "Accepted.", 204: "Done.",
           206: "A part.", 304: "It is as it was: what is at hand can be used.", 503: "Not now."}  # fmt: skip


def openapi_document(
    app: App, operations: Sequence[Operation], *, version: str, security: Mapping[str, Any] = SECURITY
) -> dict[str, Any]:
    """The document as JSON values."""
    return _Document(app, operations, security).described(app.name, version)


class _Document:
    def __init__(self, app: App, operations: Sequence[Operation], security: Mapping[str, Any]) -> None:
        self._operations = operations
        self._security = security
        self._links = Links(app, operations)
        self._problems = ProblemReplies()
        taken = [*_taken(operations)]
        given = [*_given(operations), Problem]
        self._schemas = Schemas(taken, given)

    def described(self, title: str, version: str) -> dict[str, Any]:
        paths: dict[str, dict[str, Any]] = {}
        for operation in self._operations:
            paths.setdefault(operation.path, {})[operation.method.lower()] = self._operation(operation)
        groups = sorted({operation.group for operation in self._operations})
        return {
            "openapi": VERSION,
            "jsonSchemaDialect": "https://json-schema.org/draft/2020-12/schema",
            "info": {"title": title, "version": version},
            "servers": [{"url": "."}],
            "tags": [{"name": group} for group in groups],
            "paths": paths,
            "components": {
                "schemas": self._schemas.components,
                "responses": self._problems.components,
                "headers": dict(HEADERS),
                "securitySchemes": dict(self._security),
            },
        }

    def _operation(self, operation: Operation) -> dict[str, Any]:
        described: dict[str, Any] = {
            "operationId": operation.id,
            "summary": operation.summary,
            "description": operation.about,
            "tags": [operation.group],
            "x-everfold-needs": operation.needs.value,
            "security": self._who_may(operation.needs),
            "parameters": [self._parameter(parameter) for parameter in operation.parameters],
            "requestBody": None if operation.body is None else self._body(operation.body),
            "responses": self._problems.beside(self._replies(operation), operation),
        }
        return {name: value for name, value in described.items() if value or name == "security"}

    def _who_may(self, needs: Needs) -> list[dict[str, list[str]]]:
        if needs is Needs.NOTHING:
            return []
        known: list[dict[str, list[str]]] = [{name: []} for name in self._security]
        return [{}, *known] if needs is Needs.POLICY else known  # a policy may admit anybody

    def _parameter(self, parameter: Parameter) -> dict[str, Any]:
        schema = self._schemas.taken(parameter.type)
        described: dict[str, Any] = {"name": parameter.name, "in": parameter.place}
        if parameter.required:
            described["required"] = True
        if parameter.about:
            described["description"] = parameter.about
        if parameter.place == "path" and schema.get("type") == "string":
            schema.setdefault("minLength", 1)
        described |= {"content": {JSON: {"schema": schema}}} if parameter.as_json else {"schema": schema}
        if parameter.required:
            described |= _example(parameter.type, parameter.as_json)
        return described

    def _body(self, kind: Any) -> dict[str, Any]:
        return {"required": True, "content": {JSON: {"schema": self._schemas.taken(kind), **_example(kind)}}}

    def _replies(self, operation: Operation) -> dict[str, Any]:
        links = self._links.of(operation)
        replies: dict[str, Any] = {}
        for status, kind in sorted(operation.replies.items()):
            reply: dict[str, Any] = {"description": REASONS.get(status, "Done.")}
            headers = [name for name in operation.reply_headers if name != "Location" or status in {201, 202}]
            if headers:
                reply["headers"] = {name: {"$ref": f"#/components/headers/{name}"} for name in headers}
            if isinstance(kind, str):
                reply["content"] = {kind: {"schema": dict(EVENT if kind == EVENT_STREAM else TEXT)}}
            elif kind is not None:
                reply["content"] = {JSON: {"schema": self._schemas.given(kind), **_example(kind)}}
                if links:
                    reply["links"] = links
            replies[str(status)] = reply
        return replies


def _taken(operations: Sequence[Operation]) -> Iterator[Any]:
    for operation in operations:
        yield from [parameter.type for parameter in operation.parameters]
        if operation.body is not None:
            yield operation.body


def _given(operations: Sequence[Operation]) -> Iterator[Any]:
    for operation in operations:
        yield from [kind for kind in operation.replies.values() if kind is not None and not isinstance(kind, str)]


def _example(kind: Any, as_json: bool = True) -> dict[str, Any]:
    """An example that this type accepts, if one can be made."""
    try:
        example = example_of(kind)
        msgspec.convert(example, kind, strict=False)
    except Exception:  # a rule of the user's own, which may raise whatever it likes
        return {}
    return {"example": example} if as_json or not isinstance(example, dict | list) else {}
