"""The gate: who comes in. Host, proof, origin, rate and role of every request, before anything else is done with it.

Every ``HttpApi`` has one unless it is given another, or :data:`OPEN`. A host with an authentication of its own gives a
gate that says who its user is.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import Any

from starlette.requests import Request

from everfold.app.application import App
from everfold.errors import MalformedRequest, NotAuthenticated, RateLimited
from everfold.http.access import Access, AccessRules
from everfold.http.operation import Operation
from everfold.http.origin import HostNames, check_origin, is_loopback
from everfold.http.session_cookie import session_of
from everfold.security.authentication import Authentication
from everfold.security.principal import ANONYMOUS, ANYBODY, Principal
from everfold.security.rate_limit import RateLimit
from everfold.security.tokens import CODE

__all__ = ["OPEN", "GateKeeper", "OpenGate"]

ONCE = frozenset({b"host", b"authorization", b"origin", b"sec-fetch-site"})
LINK_SECONDS = 600
LINK_ROLES = ("operator",)
log = logging.getLogger("everfold.security")


class OpenGate:
    """Lets everybody in, and asks nothing: no proof, no Host, no origin. For tests, and behind a gate of the host's."""

    async def admit(self, request: Request, operation: Operation) -> Principal:
        """Anybody."""
        return ANYBODY


OPEN = OpenGate()


class GateKeeper:
    """The gate of one application, as its settings and policies say."""

    def __init__(self, app: App) -> None:
        """ConfigurationError or DefinitionError when settings or policies leave something open."""
        settings = app.settings().values
        self.authentication = Authentication(app)
        self.asks = settings.authentication
        """Whether one has to say who one is (setting ``authentication``)."""
        if not self.asks and not is_loopback(settings.host):
            log.warning("Everybody who reaches %s may do everything: authentication is off.", settings.host)
        self._hosts = HostNames(settings.allowed_hosts, settings.host)
        self._limit = RateLimit(settings.rate_limit) if settings.rate_limit else None
        self._rules = AccessRules(app)

    async def admit(self, request: Request, operation: Operation) -> Principal:
        """Who asks; raises NotAuthenticated, NotAuthorized, CrossOrigin, WrongHost or RateLimited."""
        access = self._rules.of(operation)
        if access.is_for_everybody and not access.changes:
            return ANONYMOUS  # those who watch over the service ask by whatever address
        headers = _by_name(request.scope["headers"])
        host = headers.get(b"host", b"")
        self._hosts.check(host)
        principal = await self._principal(request, access, headers)
        if access.changes and b"authorization" not in headers:
            site, origin = headers.get(b"sec-fetch-site"), headers.get(b"origin")
            check_origin(site, origin, host=host, is_ambient=principal.is_ambient)
        if self._limit is not None:
            self._count(self._limit, principal.name if principal.is_known else _address(request))
        access.check(principal, request)
        return principal

    async def _principal(self, request: Request, access: Access, headers: dict[bytes, bytes]) -> Principal:
        if not self.asks:
            return ANYBODY
        if access.is_for_everybody:
            return ANONYMOUS
        if b"authorization" in headers:
            return await self._bearer(request, headers[b"authorization"])
        if b"cookie" in headers:
            session = session_of(request)
            found = None if session is None else await self.authentication.session(session)
            if found is not None:
                return found
        return ANONYMOUS

    async def _bearer(self, request: Request, header: bytes) -> Principal:
        scheme, _, secret = header.decode("latin-1").partition(" ")
        if scheme.lower() != "bearer" or not secret:
            raise NotAuthenticated("The header Authorization has to be: Bearer, a space, and the token.")
        known = self.authentication.known_bearer(secret)
        if known is not None:
            return known
        if self._limit is not None and (seconds := self._limit.wait(_address(request))):
            raise RateLimited(seconds)
        try:
            return await self.authentication.bearer(secret)
        except NotAuthenticated:
            if self._limit is not None:
                self._count(self._limit, _address(request))
            raise

    @staticmethod
    def _count(limit: RateLimit, caller: str) -> None:
        seconds = limit.take(caller)
        if seconds:
            raise RateLimited(seconds)

    async def new_sign_in_link(
        self,
        url: str,
        *,
        name: str = "operator",
        roles: Sequence[str] = LINK_ROLES,
        seconds: float = LINK_SECONDS,
    ) -> str:
        """A link that signs in once, for whoever started the service. ``url``: of this API. Only while it runs.

        The code stands behind ``#``, which browsers keep to themselves: it is in no log and no Referer.
        """
        code = await self.authentication.tokens.create(name, roles, kind=CODE, seconds=seconds, by=name)
        return f"{url.rstrip('/')}/sign-in#code={code}"


def _by_name(headers: Sequence[tuple[bytes, bytes]]) -> dict[bytes, bytes]:
    found = dict(headers)
    if len(found) < len(headers):
        names = [name for name, _ in headers]
        for name in ONCE & found.keys():
            if names.count(name) > 1:
                raise MalformedRequest(f"The header {name.decode()} came twice.")
    return found


def _address(request: Request) -> str:
    client: Any = request.scope.get("client")
    return f"address {client[0]}" if client else "address unknown"
