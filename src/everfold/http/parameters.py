"""Parameters of the fixed routes: query strings and JSON bodies, read into structs that also describe them.

A parameter that a route does not have is refused, and so is one given twice that is no list. Used by the routes of
streams, events, projections and parked events.
"""

from __future__ import annotations

import typing
from typing import Annotated, Any, Generic, TypeVar

import msgspec
from msgspec import Meta
from starlette.requests import Request

from everfold.errors import InvalidName, InvalidParameter, MalformedRequest
from everfold.http.operation import Parameter
from everfold.http.request_body import read_json_body
from everfold.identifiers import check_text

__all__ = ["BODY_PROBLEMS", "HIGHEST", "Body", "Limit", "Place", "QueryString", "Text", "path_parameter"]

P = TypeVar("P", bound=msgspec.Struct)
HIGHEST = 10**18 - 1
MAX_LIMIT = 1_000
BODY_PROBLEMS = ("malformed-request", "body-too-large", "unsupported-media-type", "request-too-slow")
Place = Annotated[int, Meta(ge=0, le=HIGHEST)]
"""A position or a version; 0: before the first."""
Limit = Annotated[int, Meta(ge=1, le=MAX_LIMIT)]
Text = Annotated[str, Meta(min_length=1, max_length=400)]


class QueryString(Generic[P]):
    """Reads the query string of one route. The struct forbids unknown fields."""

    def __init__(self, kind: type[P]) -> None:
        self._kind = kind
        fields = msgspec.structs.fields(kind)
        self._lists = frozenset(field.encode_name for field in fields if typing.get_origin(_plain(field.type)) is tuple)
        self.described = tuple(
            Parameter(
                name=field.encode_name,
                place="query",
                type=field.type,
                about=_about(field.type),
                required=field.required,
            )
            for field in fields
        )

    def read(self, request: Request) -> P:
        """The parameters of a request; InvalidParameter when they are not what the route takes."""
        values: dict[str, Any] = {}
        for name, value in request.query_params.multi_items():
            _check(name, value)
            if name in self._lists:
                values.setdefault(name, []).append(value)
            elif name in values:
                raise InvalidParameter(f"The parameter {name!r} is given twice. Give it once.")
            else:
                values[name] = value
        try:
            return msgspec.convert(values, self._kind, strict=False)
        except (msgspec.ValidationError, ValueError, OverflowError) as error:
            raise InvalidParameter(f"The parameters do not fit this route: {error}.") from error


class Body(Generic[P]):
    """Reads the JSON body of one route."""

    def __init__(self, kind: type[P], *, limit: int, seconds: float) -> None:
        self._decode = msgspec.json.Decoder(kind).decode
        self._limit, self._seconds = limit, seconds

    async def read(self, request: Request) -> P:
        """The body of a request; InvalidParameter when it is not what the route takes."""
        found = await read_json_body(request, limit=self._limit, seconds=self._seconds)
        try:
            return self._decode(found)
        except msgspec.ValidationError as error:
            raise InvalidParameter(f"The body does not fit this route: {error}.") from error
        except RecursionError as error:
            raise MalformedRequest("The body is nested too deeply.") from error
        except (msgspec.DecodeError, ValueError) as error:
            raise MalformedRequest(f"The body is no JSON: {error}.") from error


def path_parameter(name: str, about: str, kind: Any = str) -> Parameter:
    """A part of the path, in braces."""
    return Parameter(name=name, place="path", type=kind, about=about, required=True)


def _check(name: str, value: str) -> None:
    if value:
        try:
            check_text(value, f"the parameter {name[:60]!r}")
        except InvalidName as error:
            raise InvalidParameter(str(error)) from error


def _about(kind: Any) -> str:
    metas = typing.get_args(kind)[1:] if typing.get_origin(kind) is Annotated else ()
    return next((meta.description for meta in metas if isinstance(meta, Meta) and meta.description), "")


def _plain(kind: Any) -> Any:
    return typing.get_args(kind)[0] if typing.get_origin(kind) is Annotated else kind
