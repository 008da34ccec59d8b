"""A request whose headers and query string are read without detours. Made by ``handling``, one for each request.

To everything else it is Starlette's request.
"""

from __future__ import annotations

from typing import Any

from starlette.datastructures import Headers
from starlette.requests import Request

__all__ = ["QuickRequest", "query_pairs"]


class QuickHeaders(Headers):
    """Headers found by their names at once; of several with one name, the first."""

    def __init__(self, raw: list[tuple[bytes, bytes]]) -> None:
        super().__init__(raw=raw)
        self._first = dict(reversed(raw))

    def __getitem__(self, key: str) -> str:
        return self._first[key.lower().encode("latin-1")].decode("latin-1")

    def __contains__(self, key: object) -> bool:
        return isinstance(key, str) and key.lower().encode("latin-1") in self._first

    def get(self, key: str, default: Any = None, /) -> Any:
        """The value of a header, or the default."""
        found = self._first.get(key.lower().encode("latin-1"))
        return default if found is None else found.decode("latin-1")


class QuickRequest(Request):
    """The request of one operation."""

    _quick: QuickHeaders | None = None

    @property
    def headers(self) -> Headers:
        """The headers."""
        if self._quick is None:
            self._quick = QuickHeaders(self.scope["headers"])
        return self._quick


def query_pairs(request: Request) -> list[tuple[str, str]]:
    """The names and values of the query string, in order."""
    raw: bytes = request.scope["query_string"]
    if not raw:
        return []
    if b"%" in raw or b"+" in raw or not raw.isascii():
        return request.query_params.multi_items()
    pairs = (pair.partition("=") for pair in raw.decode("ascii").split("&") if pair)
    return [(name, value) for name, _, value in pairs]
