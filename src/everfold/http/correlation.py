"""The correlation id of a request: what its caller gave, else a new one. Recorded, logged, and told in the answer.

Used by ``handling``, around every operation.
"""

from __future__ import annotations

from collections.abc import Callable
from contextvars import Token

import msgspec
from starlette.datastructures import Headers
from starlette.responses import Response

from everfold.codec.metadata import NO_METADATA, current_metadata, set_metadata
from everfold.errors import InvalidName
from everfold.http.request_context import CORRELATION, MAX_LENGTH
from everfold.identifiers import check_text
from everfold.log.record import Metadata

__all__ = ["begin_correlation", "with_correlation"]

HEADER = CORRELATION.encode()


def begin_correlation(headers: Headers, new_id: Callable[[], str]) -> Token[Metadata]:
    """Have all that happens in this task belong together; undo it with ``reset_metadata``."""
    ambient = current_metadata()
    id = _given(headers) or ambient.correlation_id or new_id()
    if ambient is NO_METADATA:
        return set_metadata(Metadata(correlation_id=id))
    return set_metadata(msgspec.structs.replace(ambient, correlation_id=id))


def with_correlation(response: Response) -> Response:
    """The response itself, which says what it belongs to."""
    id = current_metadata().correlation_id
    if id is not None:
        response.raw_headers.append((HEADER, id.encode("latin-1", "replace")))
    return response


def _given(headers: Headers) -> str | None:
    given = headers.get(CORRELATION)
    if not given:
        return None
    try:
        return check_text(given, "a correlation id", MAX_LENGTH)
    except InvalidName:
        return None  # what is recorded under it is refused by the route
