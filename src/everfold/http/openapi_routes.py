"""``GET /openapi.json``: what this service takes and answers, for tools and writers of clients. Used by ``api``."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Sequence

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from everfold.app.application import App
from everfold.http.health_routes import everfold_version
from everfold.http.json_response import JSON
from everfold.http.operation import Needs, Operation
from everfold.http.preconditions import is_known

__all__ = ["openapi_operations"]


def openapi_operations(app: App, operations: Callable[[], Sequence[Operation]]) -> Iterator[Operation]:
    """``operations``: gives the whole table of routes, when it is asked for."""
    yield Operation(
        id="openapi",
        method="GET",
        path="/openapi.json",
        group="documentation",
        summary="This description of the service (OpenAPI 3.1)",
        needs=Needs.VIEWER,
        endpoint=_DocumentEndpoint(app, operations),
        replies={200: dict[str, object], 304: None},
        reply_headers=("ETag",),
    )


class _DocumentEndpoint:
    """Makes the document when it is first asked for."""

    def __init__(self, app: App, operations: Callable[[], Sequence[Operation]]) -> None:
        self._app = app
        self._operations = operations
        self._made: tuple[bytes, str] | None = None

    async def __call__(self, request: Request) -> Response:
        body, tag = self._made or self._make()
        headers = {"etag": tag, "cache-control": "no-cache"}
        if is_known(request.headers, tag):
            return Response(status_code=304, headers=headers)
        return Response(body, 200, headers, JSON)

    def _make(self) -> tuple[bytes, str]:
        from everfold.http.openapi.document import openapi_document

        document = openapi_document(self._app, self._operations(), version=everfold_version())
        body = msgspec.json.encode(document)
        self._made = body, f'W/"{hashlib.blake2b(body, digest_size=12).hexdigest()}"'
        return self._made
