"""The HTTP API of an application: an ASGI application of its own, or mounted in another one.

``uvicorn shop.web:api`` with ``api = HttpApi(app)``; ``everfold run`` does that by itself. Used by users and the cli.
"""

from __future__ import annotations

import re
from collections.abc import AsyncGenerator, Awaitable, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from starlette.routing import Route, Router
from starlette.types import ASGIApp, Receive, Scope, Send

from everfold.app.application import App
from everfold.errors import DefinitionError, MethodNotAllowed, UnknownRoute
from everfold.http.access_log import AccessLog
from everfold.http.command_routes import command_operations
from everfold.http.compression import Compression
from everfold.http.event_routes import event_operations
from everfold.http.gate import GateKeeper
from everfold.http.handling import Gate, Handling, Observer
from everfold.http.health_routes import everfold_version, health_operations
from everfold.http.links import route_path
from everfold.http.live_routes import Live, live_operations
from everfold.http.metrics_routes import RequestMetrics, metrics_operations
from everfold.http.no_operation import refusing
from everfold.http.openapi_routes import openapi_operations
from everfold.http.operation import Operation
from everfold.http.parked_routes import parked_operations
from everfold.http.problem_pages import problem_operations
from everfold.http.projection_routes import projection_operations
from everfold.http.query_routes import query_operations
from everfold.http.rebuilds import Rebuilds
from everfold.http.sign_in import sign_in_operations
from everfold.http.stream_routes import stream_operations
from everfold.http.uvicorn_stop import when_uvicorn_stops
from everfold.telemetry.configured import open_telemetry
from everfold.telemetry.metrics import metrics_of

if TYPE_CHECKING:
    from everfold.http.tracing import RequestSpans

__all__ = ["HttpApi"]

OF_WORKERS = {"/livez", "/readyz", "/version", "/metrics"}


class HttpApi:
    """An ASGI application that takes commands and queries of an app, and shows its log.

    ``gate``: who comes in; by default whom the settings and policies of the app let in. ``OPEN`` lets everybody in.
    """

    def __init__(self, app: App, *, gate: Gate | None = None, observers: Sequence[Observer] = ()) -> None:
        self.app = app
        self.gate: Gate = GateKeeper(app) if gate is None else gate
        self._live, self._rebuilds = Live(app), Rebuilds(app)
        metrics = metrics_of(app, everfold_version())
        metrics.live_clients = self._live.clients.__len__
        self.observers: tuple[Observer, ...] = (RequestMetrics(metrics), AccessLog(), *observers)
        spans = _spans(app)
        if spans is not None:
            self.observers = (*self.observers, spans)
        self.operations: Sequence[Operation] = _for_role(
            app,
            (
                *command_operations(app),
                *query_operations(app),
                *stream_operations(app),
                *event_operations(app),
                *live_operations(app, self._live),
                *projection_operations(app, self._rebuilds),
                *parked_operations(app),
                *health_operations(app),
                *metrics_operations(metrics),
                *problem_operations(),
                *_sign_in(self.gate),
                *openapi_operations(app, lambda: self.operations),
            ),
        )
        methods = _methods(self.operations)
        handled = [Handling(app, operation, self.gate, self.observers) for operation in self.operations]
        self._fixed: dict[tuple[str, str], ASGIApp] = {
            (one.operation.method, one.operation.path): one for one in handled if "{" not in one.operation.path
        }
        """Found at once, however many there are."""
        self._router = Router(
            [_Route(one, _other_method(app, self.observers, methods[_shape(one.operation.path)])) for one in handled],
            redirect_slashes=False,
            default=_nothing_there(app, self.observers),
            lifespan=self.lifespan,
        )
        compressing: ASGIApp = Compression(self._route)
        self._outermost = compressing if spans is None else spans.around(compressing)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Take one request, or the start and end of the server."""
        await self._outermost(scope, receive, send)

    def _route(self, scope: Scope, receive: Receive, send: Send) -> Awaitable[None]:
        found = None
        if scope["type"] == "http":
            found = self._fixed.get((scope["method"], route_path(scope) if scope.get("root_path") else scope["path"]))
        return (found or self._router)(scope, receive, send)

    @asynccontextmanager
    async def lifespan(self, _host: object = None) -> AsyncGenerator[None]:
        """Run the app as long as the host runs: ``FastAPI(lifespan=api.lifespan)``, when the API is mounted in one."""
        async with self.app, when_uvicorn_stops(self.end_live):
            try:
                yield
            finally:
                await self.end_rebuilds()

    async def end_rebuilds(self) -> None:
        """Stop the rebuilds that were begun here, because the app stops. ``lifespan`` does it."""
        await self._rebuilds.stop()

    def end_live(self) -> None:
        """End the answers that would go on for ever, because the server stops. From any thread or signal handler."""
        self._live.clients.end_all()


def _for_role(app: App, operations: Sequence[Operation]) -> Sequence[Operation]:
    """All of them, or in a worker, which serves nobody, only those that tell how it is."""
    is_worker = app.settings().values.role == "worker"
    return [operation for operation in operations if operation.path in OF_WORKERS] if is_worker else operations


def _spans(app: App) -> RequestSpans | None:
    """Those of OpenTelemetry, which is imported only where it is wanted."""
    telemetry = open_telemetry(app)
    if telemetry is None:
        return None
    from everfold.http.tracing import RequestSpans

    return RequestSpans(telemetry)


def _sign_in(gate: Gate) -> Sequence[Operation]:
    return tuple(sign_in_operations(gate)) if isinstance(gate, GateKeeper) and gate.asks else ()


def _shape(path: str) -> str:
    """The path without the names of its parameters: two paths of one shape are the same to a client."""
    return re.sub(r"{[^{}]*}", "{}", path)


def _methods(operations: Sequence[Operation]) -> Mapping[str, tuple[str, ...]]:
    """The methods that paths of each shape take; DefinitionError when there are two operations for one."""
    found: dict[str, dict[str, str]] = {}
    for operation in operations:
        known = found.setdefault(_shape(operation.path), {})
        other = known.setdefault(operation.method, operation.id)
        if other != operation.id:
            raise DefinitionError(
                f"There are two operations for {operation.method} {operation.path}: {other} and {operation.id}. "
                "Give the command or query another route."
            )
    with_head = {shape: {*known, "HEAD"} if "GET" in known else {*known} for shape, known in found.items()}
    return {shape: tuple(sorted(methods)) for shape, methods in with_head.items()}


class _Route(Route):
    """A route that tells in our words which methods its path takes."""

    def __init__(self, handling: Handling, otherwise: ASGIApp) -> None:
        super().__init__(handling.operation.path, handling, methods=[handling.operation.method])
        self._otherwise = otherwise

    async def handle(self, scope: Scope, receive: Receive, send: Send) -> None:
        is_taken = not self.methods or scope["method"] in self.methods
        await (self.app if is_taken else self._otherwise)(scope, receive, send)


def _other_method(app: App, observers: Sequence[Observer], allowed: tuple[str, ...]) -> ASGIApp:
    return refusing(app, observers, lambda request: MethodNotAllowed(request.method, allowed))


def _nothing_there(app: App, observers: Sequence[Observer]) -> ASGIApp:
    refuse = refusing(app, observers, lambda request: UnknownRoute(f"There is nothing at {request.scope['path']!r}."))

    async def nothing_there(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "websocket":
            await send({"type": "websocket.close", "code": 1000})
        else:
            await refuse(scope, receive, send)

    return nothing_there
