"""The body of a request: JSON, within the limits of size and time. Used by everything that takes one."""

from __future__ import annotations

from collections.abc import AsyncGenerator

from starlette.requests import ClientDisconnect, Request

from everfold.deadlines import deadline
from everfold.errors import BodyTooLarge, MalformedRequest, RequestTooSlow, UnsupportedMediaType
from everfold.http.quick_request import QuickRequest

__all__ = ["read_json_body"]

MAX_DIGITS = 18
"""Python refuses to read a number of thousands of digits, and nobody sends so much."""


async def read_json_body(request: Request, *, limit: int, seconds: float) -> bytes:
    """The bytes of a JSON body, at most ``limit``, which arrive within ``seconds``. What they say is not looked at."""
    _check_media_type(request)
    length = request.headers.get("content-length", "0")
    if not length.isascii() or not length.isdigit():
        raise MalformedRequest("The header Content-Length is no number.")
    if len(length) > MAX_DIGITS or int(length) > limit:
        raise BodyTooLarge(limit)
    try:
        with deadline(seconds):
            return await _read(request, limit)
    except TimeoutError as error:
        raise RequestTooSlow(f"The body did not arrive within {seconds:g} s.") from error
    except ClientDisconnect as error:
        raise MalformedRequest("The client went away before its request was complete.") from error


def _check_media_type(request: Request) -> None:
    given = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if given != "application/json" and not (given.startswith("application/") and given.endswith("+json")):
        raise UnsupportedMediaType(
            f"The body is {given[:100] or 'of no type'} and has to be JSON, with Content-Type: application/json."
        )
    encoding = request.headers.get("content-encoding", "identity")
    if encoding != "identity":
        raise UnsupportedMediaType(f"The body is compressed ({encoding[:50]}). Send it as it is.")


async def _read(request: Request, limit: int) -> bytes:
    parts: list[bytes] = []
    size = 0
    async for part in _parts(request):
        size += len(part)
        if size > limit:
            raise BodyTooLarge(limit)
        parts.append(part)
    return parts[0] if len(parts) == 1 else b"".join(parts)


async def _parts(request: Request) -> AsyncGenerator[bytes]:
    if not isinstance(request, QuickRequest):  # one of the host's, who may have read it already
        async for part in request.stream():
            yield part
        return
    is_last = False
    while not is_last:
        message = await request.receive()
        if message["type"] == "http.disconnect":
            raise ClientDisconnect
        is_last = not message.get("more_body", False)
        yield message.get("body", b"")
