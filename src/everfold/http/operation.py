"""The table of routes: each operation of the HTTP API once, for the router, the OpenAPI document and the access rules.

Made by the ``*_routes`` modules, one for each kind of thing; put together by ``api``.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from enum import Enum
from typing import Any

import msgspec
from starlette.requests import Request
from starlette.responses import Response

__all__ = ["Endpoint", "Needs", "Operation", "Parameter"]

Endpoint = Callable[[Request], Awaitable[Response]]


class Needs(Enum):
    """Who may use an operation."""

    NOTHING = "nothing"
    """Anybody, also who is not known."""
    POLICY = "policy"
    """Whom the policy of the command or query admits."""
    VIEWER = "viewer"
    OPERATOR = "operator"
    ADMIN = "admin"


class Parameter(msgspec.Struct, frozen=True, kw_only=True):
    """One value that a request carries beside its body."""

    name: str
    place: str
    """``path``, ``query`` or ``header``."""
    type: Any
    """The Python type, of which the schema is made."""
    about: str = ""
    required: bool = False
    as_json: bool = False
    """Whether its text is JSON, because the type is more than a value or a list of values."""


class Operation(msgspec.Struct, frozen=True, kw_only=True):
    """One method of one path."""

    id: str
    """Unique and permanent, in kebab case."""
    method: str
    path: str
    group: str
    """Under which heading it is documented."""
    summary: str
    needs: Needs
    endpoint: Endpoint
    about: str = ""
    parameters: tuple[Parameter, ...] = ()
    body: Any = None
    """The type of the JSON body; None: it takes none."""
    replies: dict[int, Any] = {}
    """The type of the JSON reply by status; None as a type: no body. A text: the media type of what is not JSON."""
    reply_headers: tuple[str, ...] = ()
    """The names of the headers that replies carry, as in ``ETag``, ``Everfold-Position``."""
    problems: tuple[str, ...] = ()
    """The codes of the errors that it may answer with, besides those that any operation may."""
    message: type | None = None
    """The command or query that it carries."""
