"""``GET /metrics``: how the app is, for Prometheus; and the counting of requests. Used by ``api``.

Who may look: viewers. Give Prometheus a token of its own: ``everfold tokens create prometheus --role viewer``.
"""

from __future__ import annotations

from collections.abc import Iterator

from prometheus_client import CONTENT_TYPE_LATEST
from starlette.requests import Request
from starlette.responses import Response

from everfold.http.operation import Needs, Operation
from everfold.telemetry.metrics import Metrics

__all__ = ["RequestMetrics", "metrics_operations"]


def metrics_operations(metrics: Metrics) -> Iterator[Operation]:
    """The one."""

    async def endpoint(_: Request) -> Response:
        text = await metrics.text()
        return Response(text, headers={"content-type": CONTENT_TYPE_LATEST, "cache-control": "no-store"})

    yield Operation(
        id="metrics",
        method="GET",
        path="/metrics",
        group="health",
        summary="Metrics for Prometheus",
        about="Of this process, and of the projections and consumers of the whole service.",
        needs=Needs.VIEWER,
        endpoint=endpoint,
        replies={200: "text/plain"},
    )


class RequestMetrics:
    """An observer that counts every request that was answered."""

    def __init__(self, metrics: Metrics) -> None:
        self._count = metrics.request

    def answered(self, operation: Operation, request: Request, status: int, seconds: float) -> None:
        """Count one."""
        self._count(operation.id, status, seconds)
