"""The cookie that holds a browser's session. Read by the gate, set and removed by the sign-in pages.

Over HTTPS it has the prefix ``__Host-``: no other host and no plain HTTP can set it. Over HTTP (a service on one's own
machine) it carries the port in its name, because cookies of one host are shared by all its ports.
"""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response

__all__ = ["remove_session", "session_of", "set_session"]

NAME = "everfold-session"
MAX_LENGTH = 200


def _name(request: Request) -> str:
    return f"__Host-{NAME}" if request.url.scheme == "https" else f"{NAME}-{request.url.port or 80}"


def session_of(request: Request) -> str | None:
    """The secret of the session, if there is a cookie."""
    found = request.cookies.get(_name(request))
    return found if found and len(found) <= MAX_LENGTH else None


def set_session(request: Request, response: Response, secret: str, seconds: int) -> None:
    """Have the browser keep the session, out of reach of scripts and of other sites."""
    is_secure = request.url.scheme == "https"
    response.set_cookie(
        _name(request), secret, max_age=seconds, path="/", secure=is_secure, httponly=True, samesite="strict"
    )


def remove_session(request: Request, response: Response) -> None:
    """Have the browser forget the session."""
    is_secure = request.url.scheme == "https"
    response.delete_cookie(_name(request), path="/", secure=is_secure, httponly=True, samesite="strict")
