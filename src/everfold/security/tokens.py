"""API tokens, one-time sign-in codes and sessions: random secrets, kept as hashes in the log's own database.

There they are as durable as the log, and the same for all processes. A secret is told once, to who made it, and cannot
be read back. Used by the gate, the sign-in pages and ``everfold tokens``.
"""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Iterable
from functools import partial
from typing import Any, Literal

import msgspec

from everfold.clock import Clock
from everfold.engines.sql_dialects import create_tables, in_dialects, take_turns
from everfold.engines.statements import load_statements
from everfold.errors import Conflict, InvalidName, NotFound
from everfold.identifiers import check_key, check_text
from everfold.log.read_database import ReadDatabase

__all__ = ["CODE", "SESSION", "TOKEN", "Kind", "StoredToken", "Tokens", "digest_of", "looks_like_a_token"]

Kind = Literal["token", "code", "session"]
TOKEN: Kind = "token"  # noqa: S105 (a kind, no secret)
CODE: Kind = "code"
SESSION: Kind = "session"
PREFIX = "everfold_"
"""Lets programs that look for leaked secrets find ours."""
SECRET_BYTES = 32
MICROS = 1_000_000
KEPT_MICROS = 86_400 * MICROS
"""For so long it can still be seen of a code or session that it is over."""
_STATEMENTS = in_dialects(load_statements("everfold.security", "tokens.sql"))
_decode_names = msgspec.json.Decoder(tuple[str, ...]).decode


class StoredToken(msgspec.Struct, frozen=True, kw_only=True):
    """What is known of a secret. It cannot be found out from this."""

    kind: Kind
    name: str
    roles: tuple[str, ...]
    only: tuple[str, ...]
    """The names of the commands, queries and operations that it is restricted to, if it is."""
    tenant: str | None
    created: int
    """In microseconds since 1970 UTC, as the other times."""
    created_by: str
    expires: int | None
    revoked: int | None

    def is_in_force(self, now: int) -> bool:
        """Whether it is neither revoked nor expired."""
        return self.revoked is None and (self.expires is None or self.expires > now)


def digest_of(secret: str) -> str:
    """What is kept of a secret. It has 256 random bits, so that a plain hash cannot be guessed from."""
    return hashlib.sha256(secret.encode("utf-8", "surrogatepass")).hexdigest()


def looks_like_a_token(text: str) -> bool:
    """Whether it is one of ours, and no JWT."""
    return text.startswith(PREFIX)


class Tokens:
    """The tokens, codes and sessions of one store."""

    def __init__(self, database: ReadDatabase, clock: Clock) -> None:
        self._database = database
        self._clock = clock
        self._is_prepared = False

    async def create(
        self,
        name: str,
        roles: Iterable[str],
        *,
        kind: Kind = TOKEN,
        seconds: float | None = None,
        only: Iterable[str] = (),
        tenant: str | None = None,
        by: str = "",
    ) -> str:
        """A new secret, which nobody can be told again. ``seconds``: how long it is good for; None: until revoked.

        Conflict when an API token of this name is in force already.
        """
        check_key(name)
        values = {
            "kind": kind,
            "name": name,
            "roles": _names(roles, "a role"),
            "only": _names(only, "the name of an operation"),
            "tenant": tenant,
            "by": by,
        }
        if kind == TOKEN and values["roles"] == "[]":
            raise InvalidName(f"The token {name!r} has no role, and could do nothing. Give it one.")
        secret = PREFIX + secrets.token_urlsafe(SECRET_BYTES)
        now = self._clock.micros()
        expires = None if seconds is None else now + round(seconds * MICROS)

        def insert(connection: Any) -> None:
            take_turns(connection, self._database.dialect)  # two processes may want the same name
            same = self._execute(connection, "count_in_force", kind=kind, name=name, now=now).fetchone()
            if kind == TOKEN and same[0]:
                raise Conflict(f"There is a token {name!r} already. Revoke it first, or choose another name.")
            self._execute(connection, "forget", before=now - KEPT_MICROS)
            self._execute(connection, "insert", digest=digest_of(secret), created=now, expires=expires, **values)

        await self._prepare()
        await self._database.write(insert)
        return secret

    async def find(self, digest: str) -> StoredToken | None:
        """What is known of the secret with this digest, in force or not."""
        await self._prepare()
        row = await self._database.read(lambda c: self._execute(c, "find", digest=digest).fetchone())
        return None if row is None else _stored(row)

    async def list(self, kind: Kind = TOKEN) -> list[StoredToken]:
        """All of a kind, also those that are over, oldest first."""
        await self._prepare()
        rows = await self._database.read(lambda c: self._execute(c, "list_kind", kind=kind).fetchall())
        return [_stored(row) for row in rows]

    async def revoke(self, name: str) -> None:
        """Have the API token of this name be refused, within a second, by every process. NotFound: none is in force."""
        await self._prepare()
        now = self._clock.micros()
        found = await self._database.write(
            lambda c: self._execute(c, "revoke_name", kind=TOKEN, name=name, now=now).fetchall()
        )
        if not found:
            raise NotFound("token in force", name, "See `everfold tokens list`.")

    async def use_up(self, secret: str, kind: Kind) -> StoredToken | None:
        """End a code or session, and say what it was; None: it was not in force. One of two callers gets it."""
        await self._prepare()
        digest, now = digest_of(secret), self._clock.micros()
        row = await self._database.write(
            lambda c: self._execute(c, "revoke_digest", digest=digest, kind=kind, now=now).fetchone()
        )
        return None if row is None else _stored(row)

    async def _prepare(self) -> None:
        if not self._is_prepared:
            dialect = self._database.dialect
            statements = [_STATEMENTS[dialect]["create_tokens"]]
            await self._database.write(partial(create_tables, dialect=dialect, statements=statements))
            self._is_prepared = True

    def _execute(self, connection: Any, statement: str, /, **values: object) -> Any:
        return connection.execute(_STATEMENTS[self._database.dialect][statement], values)


def _names(given: Iterable[str], what: str) -> str:
    return msgspec.json.encode(sorted({check_text(name, what, 100) for name in given})).decode()


def _stored(row: Any) -> StoredToken:
    _, kind, name, roles, only, tenant, created, created_by, expires, revoked = row
    return StoredToken(
        kind=kind,
        name=name,
        roles=_decode_names(roles),
        only=_decode_names(only),
        tenant=tenant,
        created=created,
        created_by=created_by,
        expires=expires,
        revoked=revoked,
    )
