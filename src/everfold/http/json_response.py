"""Responses in JSON. Used by every route."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import Any

import msgspec
from starlette.responses import Response

from everfold.domain.shape import is_pydantic

__all__ = ["JSON", "JsonResponse", "encode"]

JSON = "application/json"


def _plain(value: object) -> object:
    if isinstance(value, int):  # a Position or a Version
        return int(value)
    if isinstance(value, str):
        return str(value)
    if is_pydantic(type(value)):
        model: Any = value
        return model.model_dump(mode="json")
    raise TypeError(f"A {type(value).__qualname__} cannot be told as JSON.")


encode = msgspec.json.Encoder(enc_hook=_plain).encode
"""Any value that a query answers or a command replies."""


@cache
def _raw(name: str) -> bytes:
    """The name of a header as it is sent. There are few."""
    return name.lower().encode("latin-1")


class JsonResponse(Response):
    """A value as JSON, encoded as the log encodes it."""

    media_type = JSON

    def __init__(self, value: Any, status: int = 200, headers: Mapping[str, str] | None = None) -> None:
        # What Response would do, without looking for headers that nobody gives here.
        self.status_code = status
        self.background = None
        self.body = body = encode(value)
        self.raw_headers = [(b"content-length", b"%d" % len(body)), (b"content-type", b"application/json")]
        if headers:
            self.raw_headers += [(_raw(name), text.encode("latin-1")) for name, text in headers.items()]
