"""The Clock: the only way the code reads the time or waits. Given as an argument, never imported as ambient time."""

from __future__ import annotations

import asyncio
import time
from datetime import UTC, datetime, timedelta
from typing import Protocol

__all__ = ["Clock", "SystemClock", "from_micros", "to_micros"]

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MICROSECOND = timedelta(microseconds=1)


class Clock(Protocol):
    """Time as everfold sees it. Tests give a frozen one (``everfold.testing.FrozenClock``)."""

    def micros(self) -> int:
        """Wall-clock time: whole microseconds since 1970-01-01 UTC."""
        ...

    def monotonic(self) -> float:
        """Seconds that never go backwards; only differences mean anything."""
        ...

    async def sleep(self, seconds: float) -> None:
        """Wait this many seconds of this clock."""
        ...


class SystemClock:
    """The real time of this machine."""

    def micros(self) -> int:
        """Whole microseconds since 1970-01-01 UTC."""
        return time.time_ns() // 1000

    def monotonic(self) -> float:
        """Seconds that never go backwards."""
        return time.monotonic()

    async def sleep(self, seconds: float) -> None:
        """Wait this many seconds."""
        await asyncio.sleep(seconds)


def to_micros(moment: datetime) -> int:
    """The microseconds since 1970 UTC of an aware datetime. A naive one is a ValueError: it names no moment."""
    if moment.tzinfo is None:
        raise ValueError(f"{moment!r} has no time zone. Give an aware datetime, for example with tzinfo=datetime.UTC.")
    return (moment - EPOCH) // MICROSECOND


def from_micros(micros: int) -> datetime:
    """The aware UTC datetime of this many microseconds since 1970."""
    return EPOCH + timedelta(microseconds=micros)
