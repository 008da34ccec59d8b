"""Headers that say what must hold, and headers that tell what there is: versions, positions, idempotency keys.

The version of a stream is its entity tag (RFC 9110, 8.8.3). Used by commands, queries and streams.
"""

from __future__ import annotations

import re

from starlette.datastructures import Headers

from everfold.errors import MalformedRequest
from everfold.identifiers import Position

__all__ = ["AFTER", "POSITION", "expected_version", "idempotency_key", "is_known", "version_tag", "wanted_position"]

AFTER = "everfold-after"
POSITION = "everfold-position"
MAX_DIGITS = 18
_TAG = re.compile(r'"(\d{1,18})"', re.ASCII)


def version_tag(version: int) -> str:
    """The entity tag of a stream at this version."""
    return f'"{version}"'


def expected_version(headers: Headers) -> int | None:
    """The version that the stream must have: ``If-Match: "3"``, or ``If-None-Match: *`` for one that is new."""
    given = headers.get("if-match")
    if given is not None:
        if "if-none-match" in headers:
            raise MalformedRequest("If-Match and If-None-Match contradict each other. Send one of them.")
        found = _TAG.fullmatch(given.strip())
        if found is None:
            raise MalformedRequest(f'If-Match: {given[:50]!r} is no version. Send the ETag of the stream, as in "3".')
        return int(found[1])
    given = headers.get("if-none-match")
    if given is None:
        return None
    if given.strip() != "*":
        raise MalformedRequest("If-None-Match of a command can only be *: the stream has to be new.")
    return 0


def is_known(headers: Headers, tag: str | None) -> bool:
    """Whether the caller has what this tag names (``If-None-Match``, RFC 9110, 13.1.2), so that 304 says it all."""
    given = headers.get("if-none-match")
    if given is None or tag is None:
        return False
    return given == tag or tag.removeprefix("W/") in [each.strip().removeprefix("W/") for each in given.split(",")]


def idempotency_key(headers: Headers) -> str | None:
    """The key of a command that may be sent again, with or without the quotes of a structured header."""
    given = headers.get("idempotency-key")
    if given is None:
        return None
    given = given.strip()
    if len(given) > 1 and given[0] == given[-1] == '"':
        given = given[1:-1]
    if not given:
        raise MalformedRequest("Idempotency-Key is empty. Send a value that is unique to this command, such as a UUID.")
    return given


def wanted_position(headers: Headers) -> Position | None:
    """What an answer has to know: ``Everfold-After: 17``, as a reply said in ``Everfold-Position``."""
    given = headers.get(AFTER)
    if given is None:
        return None
    given = given.strip()
    if not given.isascii() or not given.isdigit() or len(given) > MAX_DIGITS:
        raise MalformedRequest(f"Everfold-After: {given[:50]!r} is no position. Send what Everfold-Position said.")
    return Position(given)
