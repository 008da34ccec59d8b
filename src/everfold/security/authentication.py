"""Who a proof belongs to: an API token, a JWT, or the session of a browser. Used by the gate for each request.

What was found out is remembered for a second: so a proof costs a hash and a look, and a token that is revoked is
refused within a second by every process.
"""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable

import msgspec

from everfold.app.application import App
from everfold.errors import NotAuthenticated
from everfold.security.jwt import jwt_verifier
from everfold.security.principal import Principal
from everfold.security.tokens import SESSION, TOKEN, Kind, StoredToken, Tokens, digest_of, looks_like_a_token

__all__ = ["Authentication", "principal_of"]

KNOWN_SECONDS = 1.0
MOST_KNOWN = 10_000


class _Known(msgspec.Struct, frozen=True, gc=False):
    principal: Principal
    expires: int | None
    until: float
    """When it has to be looked up again."""


class Authentication:
    """Finds out whom proofs belong to, for one application."""

    def __init__(self, app: App, *, now: Callable[[], float] = time.monotonic) -> None:
        self._app = app
        self._now = now
        self._micros = app.clock.micros
        self._jwt = jwt_verifier(app.settings().values, app.clock.micros)
        self._known: OrderedDict[tuple[Kind, str], _Known] = OrderedDict()
        self._tokens: tuple[object, Tokens] | None = None

    @property
    def tokens(self) -> Tokens:
        """The tokens of the app's store. Only while the app is running."""
        engine = self._app.store.engine
        if self._tokens is None or self._tokens[0] is not engine:  # the app was started anew
            self._tokens = (engine, Tokens(engine.beside, self._app.clock))
            self._known.clear()
        return self._tokens[1]

    def known_bearer(self, secret: str) -> Principal | None:
        """Whom a bearer token belongs to, if that is known without looking it up."""
        return self._find_known((TOKEN, digest_of(secret)))

    def _find_known(self, key: tuple[Kind, str]) -> Principal | None:
        found = self._known.get(key)
        if found is None:
            return None
        if found.until <= self._now() or (found.expires is not None and found.expires <= self._micros()):
            del self._known[key]
            return None
        return found.principal

    async def bearer(self, secret: str) -> Principal:
        """Whom an API token or JWT belongs to; NotAuthenticated when nobody stands behind it."""
        if looks_like_a_token(secret):
            return await self._stored(TOKEN, secret)
        if self._jwt is None:
            raise NotAuthenticated("The bearer token is none of this service. Make one: everfold tokens create.")
        asked = self._now()
        verified = self._jwt.verify(secret)
        self._remember((TOKEN, digest_of(secret)), verified.principal, verified.expires, asked)
        return verified.principal

    async def session(self, secret: str) -> Principal | None:
        """Whose session it is; None when it is over."""
        known = self._find_known((SESSION, digest_of(secret)))
        if known is not None:
            return known
        try:
            return await self._stored(SESSION, secret)
        except NotAuthenticated:
            return None

    def forget_session(self, secret: str) -> None:
        """It has ended here."""
        self._known.pop((SESSION, digest_of(secret)), None)

    async def _stored(self, kind: Kind, secret: str) -> Principal:
        asked = self._now()
        digest = digest_of(secret)
        found = await self.tokens.find(digest)
        if found is None or found.kind != kind:
            raise NotAuthenticated("The token is not known here.")
        if found.revoked is not None:
            raise NotAuthenticated("The token was revoked.")
        if not found.is_in_force(self._micros()):
            raise NotAuthenticated("The token has expired.")
        principal = principal_of(found)
        self._remember((kind, digest), principal, found.expires, asked)
        return principal

    def _remember(self, key: tuple[Kind, str], principal: Principal, expires: int | None, asked: float) -> None:
        while len(self._known) >= MOST_KNOWN:
            self._known.popitem(last=False)
        self._known[key] = _Known(principal, expires, asked + KNOWN_SECONDS)


def principal_of(found: StoredToken) -> Principal:
    """Whom an API token or a session speaks for."""
    return Principal(
        name=f"{found.kind}:{found.name}",
        roles=frozenset(found.roles),
        tenant=found.tenant,
        is_ambient=found.kind == SESSION,
        only=frozenset(found.only),
    )
