"""Links between pages and routes, as paths: they hold under whatever name and prefix the API is reached.

Given in the body, for people and scripts, and in the header Link (RFC 8288). Used by the routes of streams and events.
"""

from __future__ import annotations

from collections.abc import Mapping
from urllib.parse import urlencode

import msgspec
from starlette.requests import Request
from starlette.types import Scope

__all__ = ["Links", "link_header", "link_to", "root_of", "route_path"]


class Links(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """Where to go from here."""

    own: str = msgspec.field(name="self")
    next: str | None = None
    """The page that follows; there is none yet at the end."""
    prev: str | None = None
    """The page before, in the other direction."""
    live: str | None = None
    """Where what comes after this page is sent as it happens (SSE)."""


def root_of(scope: Scope) -> str:
    """The prefix under which the API is reached: where it is mounted, and what a proxy takes away."""
    root: str = scope.get("root_path", "")
    return root.rstrip("/")


def route_path(scope: Scope) -> str:
    """The path of the request below that prefix, which servers leave in the path or take away."""
    path: str = scope["path"]
    root = root_of(scope)
    return path[len(root) :] if root and path.startswith(f"{root}/") else path


def link_to(request: Request, path: str, query: Mapping[str, object] | None = None) -> str:
    """A path of this API with a query string; parameters that are None, false or empty are left out."""
    pairs: list[tuple[str, str]] = []
    for name, value in (query or {}).items():
        if isinstance(value, tuple):
            pairs.extend((name, str(each)) for each in value)  # pyright: ignore[reportUnknownVariableType, reportUnknownArgumentType]
        elif value is True:
            pairs.append((name, "true"))
        elif value is not None and value is not False and value != "":
            pairs.append((name, str(value)))
    root = root_of(request.scope)
    return f"{root}{path}?{urlencode(pairs)}" if pairs else f"{root}{path}"


def link_header(links: Links) -> str:
    """The same links as a header."""
    named = {"self": links.own, "next": links.next, "prev": links.prev}
    return ", ".join(f'<{target}>; rel="{name}"' for name, target in named.items() if target)
