"""Leases: of several processes, one runs a consumer, and another takes over when it is silent for too long.

Every grant has a higher fencing token than the one before (Kleppmann, How to do distributed locking, 2016). The
database that the consumer writes to refuses lower ones, so that a holder that was only asleep cannot do harm.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress
from functools import partial
from typing import Any

import msgspec

from everfold.clock import Clock
from everfold.log.read_database import ReadDatabase
from everfold.subscriptions.bookkeeping import execute, rows

__all__ = ["Lease", "LeaseRow", "Leases"]

MICROS = 1_000_000


class LeaseRow(msgspec.Struct, frozen=True):
    """Who has a lease."""

    name: str
    owner: str
    token: int
    expires: int
    """Microseconds since 1970 UTC."""


class Lease(msgspec.Struct, frozen=True):
    """A lease that was granted."""

    name: str
    token: int


class Leases:
    """The leases of one process in one database. ``owner`` is unique to the process, ``seconds`` how long one lasts."""

    def __init__(self, database: ReadDatabase, *, owner: str, seconds: float, clock: Clock) -> None:
        self.owner = owner
        self.seconds = seconds
        self._database = database
        self._clock = clock

    async def take(self, name: str) -> Lease | None:
        """The lease, if nobody has it. Looks first, so that those who stand by write nothing."""
        found = await self.holder(name)
        if found and found.expires > self._clock.micros():
            return None
        taking = asyncio.ensure_future(self._database.write(partial(self._take, name)))
        try:
            token = await asyncio.shield(taking)
        except asyncio.CancelledError:
            with suppress(Exception):  # the job is under way, and nobody else would give back what it is granted
                token = await taking
                if token is not None:
                    await self.release(Lease(name, token))
            raise
        return None if token is None else Lease(name, token)

    async def renew(self, lease: Lease) -> bool:
        """Keep the lease for its whole time from now; False: somebody else has it."""
        return await self._database.write(partial(self._renew, lease))

    async def release(self, lease: Lease) -> None:
        """Let others have it at once."""
        await self._database.write(partial(self._release, lease))

    async def holder(self, name: str) -> LeaseRow | None:
        """Who has, or last had, the lease."""
        dialect = self._database.dialect
        found = await self._database.read(lambda c: rows(c, dialect, "read_lease", LeaseRow, name=name))
        return found[0] if found else None

    def _take(self, name: str, connection: Any) -> int | None:
        now = self._clock.micros()
        values = {"name": name, "owner": self.owner, "now": now, "expires": self._expiry(now)}
        return _only(execute(connection, self._database.dialect, "take_lease", **values).fetchone())

    def _renew(self, lease: Lease, connection: Any) -> bool:
        values = {"name": lease.name, "owner": self.owner, "token": lease.token}
        expires = self._expiry(self._clock.micros())
        kept = execute(connection, self._database.dialect, "renew_lease", expires=expires, **values).fetchone()
        return kept is not None

    def _release(self, lease: Lease, connection: Any) -> None:
        values = {"name": lease.name, "owner": self.owner, "token": lease.token}
        execute(connection, self._database.dialect, "release_lease", **values)

    def _expiry(self, now: int) -> int:
        return now + int(self.seconds * MICROS)


def _only(row: Any) -> int | None:
    return None if row is None else int(row[0])
