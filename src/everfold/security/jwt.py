"""Bearer tokens of an identity provider: JSON Web Tokens, verified with keys that the operator has given.

Nothing in a token is followed: no URL (``jku``, ``x5u``), no key (``jwk``, ``x5c``), no algorithm that its key is not
for. Keys are not fetched over the network: have a job write the provider's JWKS into the file; it is read again when it
changes. Used by the authentication of requests.
"""

from __future__ import annotations

import json
import logging
import math
import time
import warnings
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import msgspec
from joserfc import jwt
from joserfc.errors import SecurityWarning
from joserfc.jwk import ECKey, KeySet, OctKey, OKPKey, RSAKey

from everfold.app.settings import Settings
from everfold.errors import ConfigurationError, NotAuthenticated
from everfold.security.principal import RESERVED, Principal

__all__ = ["JwtVerifier", "VerifiedJwt", "jwt_verifier"]

log = logging.getLogger("everfold.security")
Key = OctKey | RSAKey | ECKey | OKPKey
MAX_LENGTH = 8_192
LOOK_SECONDS = 1.0
MICROS = 1_000_000
OURS = ("token:", "session:")
"""How names begin that no identity provider may give."""
_BY_TYPE: Mapping[str, frozenset[str]] = {
    "RSA": frozenset({"RS256", "RS384", "RS512", "PS256", "PS384", "PS512"}),
    "oct": frozenset({"HS256", "HS384", "HS512"}),
    "Ed25519": frozenset({"EdDSA", "Ed25519"}),
    "P-256": frozenset({"ES256"}),
    "P-384": frozenset({"ES384"}),
    "P-521": frozenset({"ES512"}),
}


class VerifiedJwt(msgspec.Struct, frozen=True):
    """Whom a token speaks for, and how long."""

    principal: Principal
    expires: int
    """In microseconds since 1970 UTC, leeway included."""


class JwtVerifier:
    """Verifies tokens of one issuer for one audience."""

    def __init__(
        self,
        keys: str,
        *,
        issuer: str,
        audience: str,
        roles_claim: str = "roles",
        leeway: int = 30,
        micros: Callable[[], int],
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        """``keys``: a JWKS file, or its JSON. ``micros`` is the clock that times in tokens are compared with."""
        self._file = None if keys.lstrip().startswith("{") else Path(keys)
        self._keys = _KeyRing(keys, "jwt_keys", may_be_secret=False) if self._file is None else _load(self._file)
        self._changed = _changed(self._file)
        self._looked = now()
        self._now = now
        self._micros = micros
        self._leeway = leeway
        self._roles_claim = roles_claim.split(".")
        self._claims = jwt.JWTClaimsRegistry(
            now=lambda: micros() // MICROS,
            leeway=leeway,
            iss={"essential": True, "value": issuer},
            aud={"essential": True, "value": audience},
            exp={"essential": True},
            sub={"essential": True},
        )

    def _look(self) -> None:
        """See whether the file of keys has changed, at most once a second. One that is broken keeps the old keys."""
        now = self._now()
        if self._file is None or now - self._looked < LOOK_SECONDS:
            return
        self._looked = now
        changed = _changed(self._file)
        if changed is not None and changed != self._changed:
            self._changed = changed
            try:
                self._keys = _load(self._file)
            except ConfigurationError as error:  # half written, perhaps: the next change is looked at again
                log.warning("The keys stay as they were. %s", error)

    def verify(self, token: str) -> VerifiedJwt:
        """Whom the token speaks for; NotAuthenticated when it cannot be relied on, whatever is wrong with it."""
        self._look()
        try:
            if len(token) > MAX_LENGTH:
                raise ValueError("too long")
            with warnings.catch_warnings():  # EdDSA is an old name for Ed25519, which providers go on using
                warnings.simplefilter("ignore", SecurityWarning)
                decoded = jwt.decode(token, self._keys.key_for, algorithms=self._keys.algorithms)
            claims = decoded.claims
            if not all(math.isfinite(claims[name]) for name in ("exp", "nbf", "iat") if name in claims):
                raise ValueError("a time without end")
            self._claims.validate(claims)
            principal = self._principal(claims)
        except Exception as error:  # whatever a stranger sends: it is refused
            raise NotAuthenticated(f"The bearer token is not accepted ({_reason(error)}).") from None
        return VerifiedJwt(principal, round((claims["exp"] + self._leeway) * MICROS))

    def _principal(self, claims: dict[str, Any]) -> Principal:
        name = claims["sub"]
        if not 0 < len(name) <= 200 or not name.isprintable() or name in RESERVED or name.startswith(OURS):
            raise ValueError("a subject that nobody can have here")
        tenant = claims.get("tenant")
        return Principal(
            name=name,
            roles=frozenset(self._roles(claims)),
            tenant=tenant if isinstance(tenant, str) and tenant else None,
            claims=claims,
        )

    def _roles(self, claims: object) -> list[str]:
        """The roles: a list of texts, or one text with spaces between them. Anything else gives none."""
        for part in self._roles_claim:
            claims = claims.get(part) if isinstance(claims, dict) else None  # pyright: ignore[reportUnknownMemberType, reportUnknownVariableType]
        if isinstance(claims, str):
            return claims.split()
        return [role for role in claims if isinstance(role, str)] if isinstance(claims, list) else []  # pyright: ignore[reportUnknownVariableType]


class _KeyRing:
    """The keys of a JWKS, each with the algorithms that it is for."""

    def __init__(self, text: str, where: str, *, may_be_secret: bool) -> None:
        """``where`` they are from, for errors. Keys are never told in them."""
        try:
            keys = [key for key in KeySet.import_key_set(json.loads(text)).keys if key.get("use") != "enc"]
        except Exception:
            raise ConfigurationError(f'{where} holds no JWKS, which looks like {{"keys": [...]}}.') from None
        if not may_be_secret and any(isinstance(key, OctKey) or key.is_private for key in keys):
            raise ConfigurationError(f"{where} holds a secret key. Settings are shown: put the JWKS into a file.")
        self._keys: list[tuple[Key, frozenset[str]]] = [(key, _algorithms(key)) for key in keys]
        self.algorithms = sorted({name for _, names in self._keys for name in names})
        if not self.algorithms:
            raise ConfigurationError(f"{where} holds no key that a token can be verified with.")

    def key_for(self, token: Any) -> Key:
        """The key that the token says it is signed with, if it is one for that algorithm."""
        headers = token.headers()
        kid = headers.get("kid")
        fitting = [
            key
            for key, algorithms in self._keys
            if headers.get("alg") in algorithms and (kid is None or key.kid == kid)
        ]
        if len(fitting) != 1:
            raise ValueError("no key fits" if not fitting else "it does not say which key")
        return fitting[0]


def _algorithms(key: Key) -> frozenset[str]:
    kind = key.key_type if key.key_type in {"RSA", "oct"} else str(key.get("crv"))
    known = _BY_TYPE.get(kind, frozenset())
    own = key.get("alg")
    return known if own is None else known & {str(own)}


def _load(file: Path) -> _KeyRing:
    try:
        text = file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigurationError(f"The file of keys {file} (setting jwt_keys) cannot be read: {error}.") from None
    return _KeyRing(text, f"The file {file} (setting jwt_keys)", may_be_secret=True)


def _changed(file: Path | None) -> tuple[int, int] | None:
    if file is None:
        return None
    try:
        found = file.stat()
    except OSError:
        return None
    return found.st_mtime_ns, found.st_size


def _reason(error: Exception) -> str:
    """What kind of thing is wrong; never what stands in the token."""
    return str(getattr(error, "error", None) or (error if type(error) is ValueError else "it is malformed"))


def jwt_verifier(settings: Settings, micros: Callable[[], int]) -> JwtVerifier | None:
    """The verifier that the settings ask for, if they do; ConfigurationError when they leave something open."""
    if settings.jwt_keys is None:
        return None
    if not settings.jwt_issuer or not settings.jwt_audience:
        raise ConfigurationError(
            "jwt_keys is set, and jwt_issuer or jwt_audience is not: a token for another service would be let in. Set "
            "both, as the identity provider writes them into iss and aud."
        )
    return JwtVerifier(
        settings.jwt_keys,
        issuer=settings.jwt_issuer,
        audience=settings.jwt_audience,
        roles_claim=settings.jwt_roles,
        leeway=settings.jwt_leeway,
        micros=micros,
    )
