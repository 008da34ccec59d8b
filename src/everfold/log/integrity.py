"""Integrity: finding damaged records. Corruption is located and reported, never repaired silently."""

from __future__ import annotations

from typing import Protocol

import msgspec

__all__ = ["Damage", "Integrity", "Verified"]


class Damage(msgspec.Struct, frozen=True):
    """What is wrong at one position."""

    position: int
    problem: str


class Verified(msgspec.Struct, frozen=True):
    """One verified span of the log: up to and including ``position``."""

    position: int
    damages: tuple[Damage, ...] = ()


class Integrity(Protocol):
    """What an engine can tell of the soundness of its storage."""

    async def verify(self, *, after: int, limit: int) -> Verified:
        """Check up to ``limit`` records behind the position: checksums, contiguous positions and versions.

        ``Verified.position == after`` means that the end is reached. Raises ``StoreCorrupt`` when the
        storage itself cannot be read.
        """
        ...
