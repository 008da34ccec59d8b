"""An app beside Django (ASGI): its API under a prefix, Django for everything else. In the project's ``asgi.py``: ::

    application = asgi(get_asgi_application(), api, path="/es")

Django knows no lifespan, so this does: servers start and stop the app by it. ``session_user`` finds who is signed in
to Django. For Django under WSGI see ``everfold.contrib.wsgi``.
"""

from __future__ import annotations

from importlib import import_module
from typing import Any

from starlette.requests import Request
from starlette.routing import Mount, Router
from starlette.types import ASGIApp

from everfold.http.api import HttpApi

__all__ = ["asgi", "session_user"]


def asgi(host: ASGIApp, api: HttpApi, *, path: str = "/es") -> ASGIApp:
    """One ASGI application of both."""
    return Router([Mount(path, api)], default=host, lifespan=api.lifespan, redirect_slashes=False)


async def session_user(request: Request) -> Any:
    """The Django user whose session cookie the request carries: a User, or AnonymousUser."""
    django: Any = import_module("django.http")
    auth: Any = import_module("django.contrib.auth")
    settings: Any = import_module("django.conf").settings
    sessions: Any = import_module(settings.SESSION_ENGINE)
    asked = django.HttpRequest()
    asked.COOKIES = dict(request.cookies)
    asked.session = sessions.SessionStore(request.cookies.get(settings.SESSION_COOKIE_NAME))
    return await auth.aget_user(asked)
