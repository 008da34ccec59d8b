"""Bodies that are too large, too slow, or no JSON."""

import asyncio
from typing import Any

import pytest
from starlette.requests import Request

from everfold.errors import BodyTooLarge, MalformedRequest, RequestTooSlow, UnsupportedMediaType
from everfold.http.request_body import read_json_body

PARTS = [b'{"a":', b" 1}"]


def request(*parts: bytes, ends: bool = True, **headers: str) -> Request:
    given = {"content-type": "application/json", **{name.replace("_", "-"): value for name, value in headers.items()}}
    messages: list[dict[str, Any]] = [
        {"type": "http.request", "body": part, "more_body": number < len(parts) or not ends}
        for number, part in enumerate(parts, 1)
    ]

    async def receive() -> dict[str, Any]:
        if messages:
            return messages.pop(0)
        if ends:
            return {"type": "http.disconnect"}
        await asyncio.Event().wait()  # a client that says no more
        raise AssertionError("it never says more")

    raw = [(name.encode(), value.encode()) for name, value in given.items()]
    return Request({"type": "http", "method": "POST", "path": "/", "headers": raw}, receive)


async def read(request: Request, *, limit: int = 100, seconds: float = 10) -> bytes:
    return await read_json_body(request, limit=limit, seconds=seconds)


async def test_the_parts_of_a_body_are_put_together() -> None:
    assert await read(request(*PARTS)) == b'{"a": 1}'


@pytest.mark.parametrize(
    "kind", ["application/json; charset=utf-8", "Application/JSON", "application/merge-patch+json"]
)
async def test_json_has_several_names(kind: str) -> None:
    assert await read(request(b"{}", content_type=kind)) == b"{}"


@pytest.mark.parametrize(
    "kind", ["", "text/plain", "application/xml", "application/x-www-form-urlencoded", "x" * 10_000]
)
async def test_what_is_no_json_is_refused(kind: str) -> None:
    with pytest.raises(UnsupportedMediaType) as raised:
        await read(request(b"{}", content_type=kind))

    assert len(str(raised.value)) < 300


async def test_a_compressed_body_is_refused() -> None:
    with pytest.raises(UnsupportedMediaType, match="gzip"):
        await read(request(b"{}", content_encoding="gzip"))


async def test_a_body_that_announces_too_much_is_refused_before_it_is_read() -> None:
    with pytest.raises(BodyTooLarge, match="100 bytes"):
        await read(request(ends=False, content_length="101"))


async def test_a_body_that_announces_nothing_is_counted() -> None:
    with pytest.raises(BodyTooLarge):
        await read(request(b"x" * 60, b"x" * 60, ends=False))


async def test_a_body_of_exactly_the_limit_is_taken() -> None:
    assert len(await read(request(b"x" * 100, content_length="100"))) == 100


@pytest.mark.parametrize("length", ["x", "-1", "", "1.5", "٣"])
async def test_a_length_that_is_no_number_is_refused(length: str) -> None:
    with pytest.raises(MalformedRequest, match="Content-Length"):
        await read(request(b"{}", content_length=length))


async def test_a_length_of_thousands_of_digits_is_too_large() -> None:
    with pytest.raises(BodyTooLarge):
        await read(request(b"{}", content_length="9" * 10_000))


async def test_a_body_that_never_ends_is_too_slow() -> None:
    with pytest.raises(RequestTooSlow, match=r"0\.01 s"):
        await read(request(b"{", ends=False), seconds=0.01)


async def test_a_client_that_goes_away_is_told_nothing_worse() -> None:
    gone = request(b"{", ends=True)

    async def receive() -> dict[str, Any]:
        return {"type": "http.disconnect"}

    with pytest.raises(MalformedRequest, match="went away"):
        await read(Request(gone.scope, receive))
