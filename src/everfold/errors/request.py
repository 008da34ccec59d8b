"""What can be wrong with a request before it is a message. Raised by the faces; each knows its HTTP status."""

from __future__ import annotations

from typing import ClassVar

from everfold.errors.root import EverfoldError

__all__ = [
    "BodyTooLarge",
    "CrossOrigin",
    "InvalidParameter",
    "MalformedRequest",
    "MethodNotAllowed",
    "NotAuthenticated",
    "PreconditionFailed",
    "RateLimited",
    "RequestRefused",
    "RequestTooSlow",
    "TooManyLiveClients",
    "UnknownRoute",
    "UnsupportedMediaType",
    "WrongHost",
]


class RequestRefused(EverfoldError):
    """A request that is not looked at any further. Nothing was done; mend the request."""

    code = "request-refused"
    status: ClassVar[int] = 400


class MalformedRequest(RequestRefused):
    """The body is no JSON, or a header or parameter has the wrong form."""

    code = "malformed-request"


class InvalidParameter(RequestRefused):
    """A parameter of the request is missing, unknown, or has a value that it cannot have. Nothing was done."""

    code = "invalid-parameter"
    status = 422


class BodyTooLarge(RequestRefused):
    """The body, or its nesting, is larger than this service takes."""

    code = "body-too-large"
    status = 413

    def __init__(self, limit: int) -> None:
        super().__init__(f"The body is larger than {limit:,} bytes, which is the limit of this service.")
        self.limit = limit


class UnsupportedMediaType(RequestRefused):
    """The body says that it is something else than JSON."""

    code = "unsupported-media-type"
    status = 415


class RequestTooSlow(RequestRefused):
    """The body did not arrive in time."""

    code = "request-too-slow"
    status = 408


class UnknownRoute(RequestRefused):
    """There is nothing under this path."""

    code = "unknown-route"
    status = 404


class MethodNotAllowed(RequestRefused):
    """The path exists and takes other methods. ``allowed`` lists them."""

    code = "method-not-allowed"
    status = 405

    def __init__(self, method: str, allowed: tuple[str, ...]) -> None:
        super().__init__(f"This path does not take {method}. It takes {', '.join(allowed)}.")
        self.allowed = allowed


class PreconditionFailed(RequestRefused):
    """The stream has another version than the request expects (If-Match). Read it again and decide again."""

    code = "precondition-failed"
    status = 412

    def __init__(self, message: str, *, expected: int | None = None, actual: int | None = None) -> None:
        super().__init__(message)
        self.expected = expected
        self.actual = actual


class NotAuthenticated(RequestRefused):
    """It has to be known who asks. Send a token: ``Authorization: Bearer ...``."""

    code = "not-authenticated"
    status = 401


class CrossOrigin(RequestRefused):
    """A page of another site sent this request in the name of somebody who is signed in here."""

    code = "cross-origin"
    status = 403


class WrongHost(RequestRefused):
    """The Host header names another host than this service answers for (setting ``allowed_hosts``)."""

    code = "wrong-host"
    status = 421


class RateLimited(RequestRefused):
    """Too many requests of one principal. ``retry_after``: seconds after which the next one is taken."""

    code = "rate-limited"
    status = 429

    def __init__(self, retry_after: float) -> None:
        super().__init__(f"Too many requests. The next one is taken in {retry_after:.1f} s.")
        self.retry_after = retry_after


class TooManyLiveClients(RequestRefused):
    """As many clients follow the log or a query as this process takes (setting ``live_clients``). Try again later."""

    code = "too-many-live-clients"
    status = 503
