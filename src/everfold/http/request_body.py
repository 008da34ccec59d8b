"""The body of a request: JSON, within the limits of size and time. Used by everything that takes one."""

from __future__ import annotations

from starlette.requests import ClientDisconnect, Request

from everfold.deadlines import deadline
from everfold.errors import BodyTooLarge, MalformedRequest, RequestTooSlow, UnsupportedMediaType
from everfold.http.json_response import JSON
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
    given = request.headers.get("content-type", "")
    if given != JSON and not _is_json(kind := given.partition(";")[0].strip().lower()):
        raise UnsupportedMediaType(
            f"The body is {kind[:100] or 'of no type'} and has to be JSON, with Content-Type: {JSON}."
        )
    encoding = request.headers.get("content-encoding", "identity")
    if encoding != "identity":
        raise UnsupportedMediaType(f"The body is compressed ({encoding[:50]}). Send it as it is.")


def _is_json(kind: str) -> bool:
    return kind == JSON or (kind.startswith("application/") and kind.endswith("+json"))


async def _read(request: Request, limit: int) -> bytes:
    body = bytearray()
    if not isinstance(request, QuickRequest):  # one of the host's, who may have read it already
        async for part in request.stream():
            _add(body, part, limit)
        return bytes(body)
    is_last = False
    while not is_last:
        message = await request.receive()
        if message["type"] == "http.disconnect":
            raise ClientDisconnect
        is_last = not message.get("more_body", False)
        _add(body, message.get("body", b""), limit)
    return bytes(body)


def _add(body: bytearray, part: bytes, limit: int) -> None:
    if len(body) + len(part) > limit:
        raise BodyTooLarge(limit)
    body += part
