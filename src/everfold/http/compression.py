"""Compresses long answers for clients that ask for it. Event streams are left alone, so that events arrive at once.

Used by ``api``.
"""

from __future__ import annotations

from collections.abc import Awaitable

from starlette.middleware.gzip import GZipMiddleware
from starlette.types import ASGIApp, Receive, Scope, Send

__all__ = ["Compression"]

MINIMUM = 1_024
"""Bytes under which nothing would be won."""
LEVEL = 5


class Compression:
    """Around an ASGI application; costs nothing for a request that does not ask for it."""

    def __init__(self, app: ASGIApp) -> None:
        self._plain = app
        self._compressing = GZipMiddleware(app, minimum_size=MINIMUM, compresslevel=LEVEL)

    def __call__(self, scope: Scope, receive: Receive, send: Send) -> Awaitable[None]:
        """Take one request."""
        app = self._plain
        if scope["type"] == "http":
            for name, value in scope["headers"]:
                if name == b"accept-encoding" and b"gzip" in value:
                    app = self._compressing
        return app(scope, receive, send)
