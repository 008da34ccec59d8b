"""The catalogue: which streams there are and how long, and records by their ids. For listings, never for decisions."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import msgspec

from everfold.log.record import Record

__all__ = ["Catalogue", "StreamInfo"]


class StreamInfo(msgspec.Struct, frozen=True, gc=False):
    """One stream, with its version and the position of its newest record."""

    stream: str
    version: int
    position: int


class Catalogue(Protocol):
    """What an engine can tell of its streams and records."""

    async def streams(self, *, prefix: str = "", after: str = "", limit: int) -> Sequence[StreamInfo]:
        """Up to ``limit`` streams in order of their names, beginning with ``prefix`` and behind ``after``."""
        ...

    async def record(self, id: str) -> Record | None:
        """The record with this event id, found by an index; None when there is none."""
        ...
