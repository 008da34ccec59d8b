"""The gate of a host that knows its users already: a function of the host's own says who asks.

Roles and policies are checked as ever. Used by hosts that mount the API: ``HttpApi(app, gate=HostGate(app, who))``.
"""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Callable

from starlette.datastructures import Headers
from starlette.requests import Request

from everfold.app.application import App
from everfold.errors import RateLimited
from everfold.http.access import AccessRules
from everfold.http.operation import Operation
from everfold.http.origin import HostNames, check_origin
from everfold.security.principal import ANONYMOUS, Principal
from everfold.security.rate_limit import RateLimit

__all__ = ["HostGate", "Who"]

Who = Callable[[Request], Principal | Awaitable[Principal | None] | None]
"""Whom a request comes from; None: nobody that is known. It may raise NotAuthenticated with a reason."""


class HostGate:
    """Lets in whom the host knows, as far as roles and policies allow.

    A change that a browser may have been made to send (CSRF) is refused: one from another origin always, and one with
    a proof that browsers send by themselves (a cookie, Basic) unless the browser tells where it comes from. A bearer
    token is no such proof. Host names are the host's own business, unless the setting ``allowed_hosts`` names some.
    """

    def __init__(self, app: App, who: Who) -> None:
        settings = app.settings().values
        self._who = who
        self._rules = AccessRules(app)
        self._hosts = HostNames(settings.allowed_hosts, settings.host) if settings.allowed_hosts else None
        self._limit = RateLimit(settings.rate_limit) if settings.rate_limit else None

    async def admit(self, request: Request, operation: Operation) -> Principal:
        """Who asks; raises NotAuthenticated, NotAuthorized, CrossOrigin, WrongHost or RateLimited."""
        access = self._rules.of(operation)
        if access.is_for_everybody and not access.changes:
            return ANONYMOUS
        headers = request.headers
        if self._hosts is not None:
            self._hosts.check(headers.get("host", "").encode("latin-1"))
        found = self._who(request)
        principal = (await found if inspect.isawaitable(found) else found) or ANONYMOUS
        if access.changes:
            _check_origin(headers, principal)
        if self._limit is not None:
            seconds = self._limit.take(principal.name if principal.is_known else _address(request))
            if seconds:
                raise RateLimited(seconds)
        access.check(principal, request)
        return principal


def _check_origin(headers: Headers, principal: Principal) -> None:
    proof = headers.get("authorization", "")
    if proof[:7].lower() == "bearer ":
        return
    site, origin = headers.get("sec-fetch-site"), headers.get("origin")
    check_origin(
        None if site is None else site.encode("latin-1"),
        None if origin is None else origin.encode("latin-1"),
        host=headers.get("host", "").encode("latin-1"),
        is_ambient=principal.is_ambient or bool(proof) or "cookie" in headers,
    )


def _address(request: Request) -> str:
    return f"address {request.client.host}" if request.client else "address unknown"
