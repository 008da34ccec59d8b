"""Errors as HTTP tells them: problem details (RFC 9457), one stable type for each code. Used by the whole room."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any

import msgspec
from starlette.responses import Response

from everfold.errors import (
    Conflict,
    EverfoldError,
    MethodNotAllowed,
    NotAuthenticated,
    PreconditionFailed,
    RateLimited,
    ReadModelBehind,
    Rejected,
    RequestRefused,
    TimedOut,
    TooManyLiveClients,
)

__all__ = ["STATUSES", "Problem", "problem_of", "problem_response", "type_of"]

MEDIA_TYPE = "application/problem+json"
TYPE = "urn:everfold:problem:"
INTERNAL = "internal-error"
STATUSES: Mapping[str, int] = {
    "rejected": 409,
    "invalid-name": 422,
    "invalid-message": 422,
    "unknown-message": 404,
    "not-found": 404,
    "not-authorized": 403,
    "conflict": 409,
    "idempotency-key-reused": 422,
    "timed-out": 503,
    "outcome-unknown": 503,
    "read-model-behind": 503,
    "read-model-not-ready": 503,
    "invalid-event": 422,
    "payload-too-large": 413,
    "store-closed": 503,
    "store-busy": 503,
    "store-full": 507,
    "store-read-only": 503,
    "store-unavailable": 503,
}
"""By error code. What is not here, and is no RequestRefused, is a fault of the service: 500."""
REASONS = {
    400: "Bad Request",
    401: "Not Authenticated",
    403: "Forbidden",
    404: "Not Found",
    405: "Method Not Allowed",
    408: "Request Timeout",
    409: "Conflict",
    412: "Precondition Failed",
    413: "Content Too Large",
    415: "Unsupported Media Type",
    421: "Misdirected Request",
    422: "Unprocessable Content",
    429: "Too Many Requests",
    500: "Internal Server Error",
    503: "Service Unavailable",
    507: "Insufficient Storage",
}
log = logging.getLogger("everfold.http")


class Problem(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """What went wrong, for machines (``type``, ``code`` and further members) and people (``title``, ``detail``)."""

    type: str
    title: str
    status: int
    detail: str
    code: str
    """The stable code of the error, which ``type`` ends in."""
    help: str = ""
    """Where this service explains it."""
    reason: str | None = None
    """Of a refusal: why the domain said no, as a stable word."""
    facts: dict[str, Any] | None = None
    """Of a refusal: what a caller may want to show or act on."""
    expected: int | None = None
    """Of a conflict: the version that was expected."""
    actual: int | None = None
    """Of a conflict: the version there is."""


def type_of(code: str) -> str:
    """The URI that names the problem. It never changes, and is a name and no address."""
    return TYPE + code


def problem_of(error: BaseException, root: str | None = "") -> Problem:
    """What to tell about an error. Of one that nobody foresaw nothing is told but that it happened; it is logged.

    ``root``: the prefix under which the API is reached; None: its pages that explain problems are not.
    """
    if not isinstance(error, EverfoldError):
        log.error("A request failed", exc_info=error)
        return _problem(INTERNAL, 500, "Something went wrong in this service. Its log tells more.", root)
    code = error.code
    status = error.status if isinstance(error, RequestRefused) else STATUSES.get(code, 500)
    if status == 500:
        log.error("A request failed", exc_info=error)
        return _problem(code, 500, "Something went wrong in this service. Its log tells more.", root)
    return _problem(code, status, str(error), root, **_members(error))


def _members(error: EverfoldError) -> dict[str, Any]:
    if isinstance(error, Rejected):
        return {"reason": error.reason, "facts": error.facts or None}
    if isinstance(error, Conflict | PreconditionFailed):
        return {"expected": error.expected, "actual": error.actual}
    return {}


def _problem(code: str, status: int, detail: str, root: str | None, **members: Any) -> Problem:
    return Problem(
        type=type_of(code),
        title=REASONS[status],
        status=status,
        detail=detail,
        code=code,
        help="" if root is None else f"{root}/problems/{code}",
        **members,
    )


def problem_response(error: BaseException, root: str | None = "") -> Response:
    """The response that tells about an error."""
    problem = problem_of(error, root)
    try:
        body = msgspec.json.encode(problem)
    except (TypeError, ValueError):  # facts of a refusal that JSON cannot hold
        body = msgspec.json.encode(msgspec.structs.replace(problem, facts=None))
    return Response(body, problem.status, _headers(error), MEDIA_TYPE)


def _headers(error: BaseException) -> dict[str, str]:
    if isinstance(error, MethodNotAllowed):
        return {"Allow": ", ".join(error.allowed)}
    if isinstance(error, NotAuthenticated):
        return {"WWW-Authenticate": 'Bearer realm="everfold"'}
    if isinstance(error, RateLimited):
        return {"Retry-After": f"{max(1, round(error.retry_after))}"}
    if isinstance(error, ReadModelBehind | TimedOut | TooManyLiveClients):
        return {"Retry-After": "1"}
    return {}
