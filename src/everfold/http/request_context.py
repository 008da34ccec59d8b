"""What the records of a command will say about the request that brought it. Used by the routes of commands."""

from __future__ import annotations

from starlette.datastructures import Headers

from everfold.codec.metadata import current_metadata
from everfold.errors import InvalidName, MalformedRequest
from everfold.identifiers import check_text
from everfold.log.record import Metadata

__all__ = ["CORRELATION", "metadata_of"]

CORRELATION = "x-correlation-id"
TRACEPARENT = "traceparent"
MAX_LENGTH = 200


def metadata_of(headers: Headers, actor: str | None, tenant: str | None) -> Metadata:
    """The ambient metadata, with who asks and what the request is part of."""
    ambient = current_metadata()
    return Metadata(
        correlation_id=_text(headers, CORRELATION) or ambient.correlation_id,
        causation_id=ambient.causation_id,
        actor=actor or ambient.actor,
        tenant=tenant or ambient.tenant,
        traceparent=_text(headers, TRACEPARENT) or ambient.traceparent,
        user=ambient.user,
    )


def _text(headers: Headers, name: str) -> str | None:
    given = headers.get(name)
    if not given:
        return None
    try:
        return check_text(given, f"the header {name}", MAX_LENGTH)
    except InvalidName as error:
        raise MalformedRequest(str(error)) from error
