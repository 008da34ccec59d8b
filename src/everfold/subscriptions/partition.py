"""Parts of a consumer: each deals with some of the streams, in order, so that several can work side by side.

Every process keeps a membership lease while it runs a consumer, and takes no more parts than its share.
"""

from __future__ import annotations

import zlib
from functools import partial
from typing import Any

import msgspec

from everfold.clock import Clock
from everfold.log.read_database import ReadDatabase
from everfold.log.record import Record
from everfold.subscriptions.bookkeeping import execute
from everfold.subscriptions.lease import Lease, Leases

__all__ = ["MAX_PARTS", "Membership", "Part"]

MAX_PARTS = 1_000


class Part(msgspec.Struct, frozen=True):
    """One of so many parts."""

    number: int
    """From 0."""
    of: int

    def has(self, record: Record) -> bool:
        """Whether the record's stream belongs to this part. The same in every process and for ever."""
        return self.of == 1 or zlib.crc32(record.stream.encode()) % self.of == self.number

    @property
    def build(self) -> int:
        """The number that its bookkeeping has."""
        return self.of * MAX_PARTS + self.number


class Membership:
    """How many processes run a consumer, and so how many of its parts are this one's share."""

    def __init__(self, consumer: str, parts: int, *, database: ReadDatabase, leases: Leases, clock: Clock) -> None:
        self._prefix = f"member of {consumer} "
        self._parts = parts
        self._database = database
        self._leases = leases
        self._clock = clock
        self._lease: Lease | None = None
        self.share = parts if parts == 1 else 0
        """How many parts this process may have: none before it has counted."""

    async def renew(self) -> None:
        """Say that this process is there, and count the others."""
        if self._lease is None or not await self._leases.renew(self._lease):
            await self._forget_others()
            self._lease = await self._leases.take(self._prefix + self._leases.owner)
        members = await self._database.read(partial(_count, self._database.dialect, self._prefix, self._clock))
        self.share = -(-self._parts // max(members, 1))

    async def leave(self) -> None:
        """Say that this process is gone."""
        if self._lease is not None:
            lease, self._lease = self._lease, None
            await self._leases.release(lease)
            await self._forget_others()

    async def _forget_others(self) -> None:
        """Drop what processes left that are gone: each had a name of its own."""
        values = {"prefix": self._prefix, "now": self._clock.micros()}
        dialect = self._database.dialect
        await self._database.write(lambda connection: execute(connection, dialect, "forget_owners", **values))


def _count(dialect: str, prefix: str, clock: Clock, connection: Any) -> int:
    found = execute(connection, dialect, "count_owners", prefix=prefix, now=clock.micros()).fetchone()
    return int(found[0])
