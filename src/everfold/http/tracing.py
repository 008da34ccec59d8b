"""A span for every request, for OpenTelemetry. Imported by ``api`` only when the setting ``opentelemetry`` is on.

It goes on from the caller's trace, unless the host (an instrumented FastAPI, say) has a span for the request already.
It ends when the answer begins: a live one goes on for hours. Neither the path nor the query string is told.
"""

from __future__ import annotations

from opentelemetry import propagate, trace
from opentelemetry.trace import Span, SpanKind, Status, StatusCode
from starlette.requests import Request
from starlette.types import ASGIApp, Receive, Scope, Send

from everfold.http.operation import Operation
from everfold.telemetry.otel import conventions as names
from everfold.telemetry.otel.open_telemetry import OpenTelemetry

__all__ = ["RequestSpans"]

OURS = "everfold.span"
METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})


class RequestSpans:
    """Around an ASGI application, and an observer of its operations."""

    def __init__(self, telemetry: OpenTelemetry) -> None:
        self._tracer = telemetry.tracer
        self._measurements = telemetry.measurements

    def around(self, app: ASGIApp) -> ASGIApp:
        """The application, with a span for each request."""

        async def traced(scope: Scope, receive: Receive, send: Send) -> None:
            if scope["type"] != "http" or trace.get_current_span().is_recording():
                await app(scope, receive, send)
                return
            with self._tracer.start_as_current_span(
                _method(scope),
                propagate.extract(_carrier(scope)),
                kind=SpanKind.SERVER,
                attributes={names.HTTP_METHOD: _method(scope), names.SCHEME: scope.get("scheme", "http")},
                record_exception=False,
                set_status_on_exception=False,
                end_on_exit=False,
            ) as span:
                scope[OURS] = span
                try:
                    await app(scope, receive, send)
                finally:
                    if span.is_recording():  # nobody has answered
                        span.end()

        return traced

    def answered(self, operation: Operation, request: Request, status: int, seconds: float) -> None:
        """Name the span after the operation, and end it."""
        span: Span | None = request.scope.get(OURS)
        if span is None:
            return
        method = _method(request.scope)
        facts: dict[str, str | int] = {names.HTTP_METHOD: method, names.HTTP_STATUS: status}
        if operation.path:
            facts[names.HTTP_ROUTE] = operation.path
        self._measurements.request({**facts, names.SCHEME: request.scope.get("scheme", "http")}, seconds)
        if not span.is_recording():
            return
        span.update_name(f"{method} {operation.path}".rstrip())
        span.set_attributes({**facts})
        if status >= 500:
            span.set_status(Status(StatusCode.ERROR))
            span.set_attribute(names.ERROR_TYPE, str(status))
        span.end()


def _method(scope: Scope) -> str:
    """One of those there are: what else a client may say is bounded by nothing."""
    method: str = scope["method"]
    return method if method in METHODS else "_OTHER"


def _carrier(scope: Scope) -> dict[str, str]:
    return {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}
