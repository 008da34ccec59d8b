"""One line in the log for every request that was answered, by the logger ``everfold.access``. Used by ``api``.

It has the names of things, never what was in the path, the query string, the headers or the body.
"""

from __future__ import annotations

import logging

from starlette.requests import Request

from everfold.codec.metadata import current_metadata
from everfold.http.operation import Operation
from everfold.security.principal import current_principal

__all__ = ["AccessLog"]

_log = logging.getLogger("everfold.access")


class AccessLog:
    """An observer. Requests are logged at INFO, those that failed in the service at WARNING."""

    def answered(self, operation: Operation, request: Request, status: int, seconds: float) -> None:
        """Log one request."""
        level = logging.INFO if status < 500 else logging.WARNING
        if not _log.isEnabledFor(level):
            return
        milliseconds = round(seconds * 1_000, 3)
        _log.log(
            level,
            "%s %s %d %.1f ms",
            request.method,
            operation.id,
            status,
            milliseconds,
            extra={
                "method": request.method,
                "operation": operation.id,
                "status": status,
                "milliseconds": milliseconds,
                "principal": current_principal().name,
                "correlation_id": current_metadata().correlation_id,
            },
        )
