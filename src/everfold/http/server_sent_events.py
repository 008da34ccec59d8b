"""Server-sent events (WHATWG): their form on the wire, and answers that do not end by themselves.

Every answer can be ended from outside (the server stops), ends when its client goes away, and holds no more than one
piece of what is to be sent. Used by the live routes.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import AsyncGenerator
from contextlib import aclosing, suppress

import msgspec
from starlette.responses import Response
from starlette.types import Message, Receive, Scope, Send

from everfold.errors import TooManyLiveClients
from everfold.http.json_response import encode
from everfold.http.problem import problem_of

__all__ = ["RETRY", "EventStream", "LiveClients", "Reset", "frame", "reset_frame"]

MEDIA_TYPE = "text/event-stream"
RETRY = b"retry: 2000\n\n"
"""Milliseconds after which a browser connects again."""
LINE_ENDS = (("\x85".encode(), b"\\u0085"), ("\u2028".encode(), b"\\u2028"), ("\u2029".encode(), b"\\u2029"))
LOOKS = 2
PATIENCE_TO_RESET = 6
"""So many times longer a slow client may take to be told that it is."""
log = logging.getLogger("everfold.http")


class Reset(msgspec.Struct, frozen=True, omit_defaults=True):
    """Why the service ends the stream. Connect again: with Last-Event-ID nothing is missed."""

    reason: str
    """``slow-client``, ``beyond-the-log``, or the code of an error."""
    detail: str = ""


def frame(event: str, data: bytes, id: int | None = None) -> bytes:
    """One event. The data is JSON on one line, also for readers that take more than CR and LF for its end."""
    if not data.isascii():
        for line_end, escaped in LINE_ENDS:
            data = data.replace(line_end, escaped)
    if id is None:
        return b"event: %b\ndata: %b\n\n" % (event.encode(), data)
    return b"id: %d\nevent: %b\ndata: %b\n\n" % (id, event.encode(), data)


def reset_frame(reset: Reset | BaseException, id: int | None = None) -> bytes:
    """The last event of a stream that the service ends: why, and with which id to go on."""
    if isinstance(reset, BaseException):
        problem = problem_of(reset)
        reset = Reset(problem.code, problem.detail)
    return frame("reset", encode(reset), id)


class LiveClients:
    """The clients that are being sent to: how many at most, and all of them when the server stops."""

    def __init__(self, *, limit: int, patience: float) -> None:
        """``patience``: seconds that a client may take to receive one piece."""
        self._limit = limit
        self.patience = patience
        self._streams: set[EventStream] = set()
        self._loop: asyncio.AbstractEventLoop | None = None

    def __len__(self) -> int:
        """How many there are."""
        return len(self._streams)

    def check(self) -> None:
        """Whether one more is taken; TooManyLiveClients when not."""
        if len(self._streams) >= self._limit:
            raise TooManyLiveClients(f"{self._limit:,} clients are served live, and no more are. Come again later.")

    def add(self, stream: EventStream) -> None:
        """One more is being sent to."""
        self._loop = asyncio.get_running_loop()
        self._streams.add(stream)

    def remove(self, stream: EventStream) -> None:
        """It has ended."""
        self._streams.discard(stream)

    def end_all(self) -> None:
        """End the answers to all of them, because the server stops. May be called from any thread or signal handler."""
        if self._loop is not None and self._streams:
            with suppress(RuntimeError):  # the loop is closed: there is nobody left
                self._loop.call_soon_threadsafe(self._end_all)

    def _end_all(self) -> None:
        for stream in list(self._streams):
            stream.end()


class EventStream(Response):
    """A response that goes on until its frames end, its client goes away, or it is ended."""

    media_type = MEDIA_TYPE

    def __init__(self, frames: AsyncGenerator[bytes, None], clients: LiveClients) -> None:
        super().__init__()
        del self.headers["content-length"]
        self.headers["cache-control"] = "no-store"
        self.headers["x-accel-buffering"] = "no"
        self._frames = frames
        self._clients = clients
        self._sending: asyncio.Task[None] | None = None
        self._since: float | None = None
        """Since when a piece is being sent."""

    def end(self) -> None:
        """Send no more."""
        if self._sending is not None:
            self._sending.cancel()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send the frames."""
        if scope["method"] == "HEAD":
            await self._frames.aclose()
            await send(self._start())
            await self._finish(send)
            return
        sending = asyncio.create_task(self._send_all(send))
        leaving = asyncio.create_task(_gone(receive))
        self._sending = sending
        self._clients.add(self)
        try:
            await self._wait(sending, leaving)
            if not leaving.done():
                await self._finish(send)
        finally:
            self._clients.remove(self)
            sending.cancel()
            leaving.cancel()
            await asyncio.gather(sending, leaving, return_exceptions=True)

    async def _wait(self, sending: asyncio.Task[None], leaving: asyncio.Task[None]) -> None:
        """Until there is no more to send, or nobody to send it to. Looks now and then: no timer for every event."""
        patience = self._clients.patience
        while True:
            done, _ = await asyncio.wait(
                {sending, leaving}, timeout=patience / LOOKS, return_when=asyncio.FIRST_COMPLETED
            )
            if done:
                return
            if self._since is not None and time.monotonic() - self._since > patience * PATIENCE_TO_RESET:
                log.info("A live client has received nothing for %g s and is given up", patience * PATIENCE_TO_RESET)
                return

    async def _send_all(self, send: Send) -> None:
        async with aclosing(self._frames) as frames:
            is_in_time = await self._send(self._start(), send)
            async for body in frames:
                if not is_in_time:
                    break
                is_in_time = await self._send(_body(body), send)
            if not is_in_time:
                await send(_body(reset_frame(Reset("slow-client", "You receive too slowly. Connect again."))))

    def _start(self) -> Message:
        return {"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers}

    async def _send(self, message: Message, send: Send) -> bool:
        """Whether the client has taken it in time. One that has not is told to begin anew."""
        self._since = started = time.monotonic()
        await send(message)
        self._since = None
        return time.monotonic() - started <= self._clients.patience

    async def _finish(self, send: Send) -> None:
        """End the response; of a client that does not receive even that, no more than a second."""
        with suppress(TimeoutError):
            async with asyncio.timeout(1):
                await send({"type": "http.response.body", "body": b"", "more_body": False})


def _body(body: bytes) -> Message:
    return {"type": "http.response.body", "body": body, "more_body": True}


async def _gone(receive: Receive) -> None:
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            return
