"""One connection of a client, with limits that uvicorn's has not: on the head of a request, and on silence.

A client that sends endless headers, or opens connections and says nothing, costs a bounded amount of memory for a
bounded time. Used by ``server``.
"""

from __future__ import annotations

import asyncio
from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from everfold.errors import MalformedRequest
from everfold.http.problem import problem_response

__all__ = ["HEAD_SECONDS", "Connection"]

MAX_HEAD_BYTES = 65_536
MAX_HEADERS = 200
HEAD_SECONDS = 15.0
"""How long a client may take to send the head of a request, and to send on a body that nobody wants any more."""


class Connection(HttpToolsProtocol):
    """Takes requests from one client."""

    _waiting_since: float | None = None
    """Since when the client owes the head of a request, or the rest of a body that was answered already."""
    _head_bytes = 0

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """A client is there."""
        super().connection_made(transport)
        self.headers = []
        self._waiting_since = self.loop.time()

    def data_received(self, data: bytes) -> None:
        """A client has sent something."""
        had_begun = self._waiting_since is not None
        if not had_begun and self.cycle.response_complete:  # there is one: the head of a request has ended before
            self._waiting_since = self.loop.time()
            self._head_bytes = 0
        super().data_received(data)
        if self._waiting_since is not None and had_begun:
            self._head_bytes += len(data)
        if (self._head_bytes > MAX_HEAD_BYTES or len(self.headers) > MAX_HEADERS) and not self._is_closing():
            self.send_400_response("The head of the request is too large.")

    def on_headers_complete(self) -> None:
        """A request begins to be dealt with."""
        self._waiting_since, self._head_bytes = None, 0
        super().on_headers_complete()

    def on_response_complete(self) -> None:
        """A request is answered. What is still to come of its body is not waited for, for long."""
        if self.cycle.more_body:
            self._waiting_since = self.loop.time()
        super().on_response_complete()

    def send_400_response(self, msg: str) -> None:
        """Tell that this is no HTTP as a problem, as everything else is told."""
        if self._is_closing():
            return
        response = problem_response(MalformedRequest(msg))
        lines = [b"HTTP/1.1 400 Bad Request\r\n"]
        lines += [b"%b: %b\r\n" % header for header in (*self.server_state.default_headers, *response.raw_headers)]
        self.transport.write(b"".join([*lines, b"connection: close\r\n\r\n", bytes(response.body)]))
        self.transport.close()

    def close_if_silent(self, now: float) -> None:
        """Called now and then: ends the connection when its client has been silent for too long."""
        if self._waiting_since is not None and now - self._waiting_since > HEAD_SECONDS and not self._is_closing():
            self.transport.close()

    def abandon(self) -> None:
        """End the connection at once, whatever is under way."""
        self.transport.abort()

    def _is_closing(self) -> bool:
        transport: Any = self.transport
        return transport is None or transport.is_closing()
