"""Snapshots: folded state kept to save replay. Only a cache: dropping them all changes no result."""

from __future__ import annotations

from typing import Protocol

import msgspec

__all__ = ["Snapshot", "Snapshots"]


class Snapshot(msgspec.Struct, frozen=True, gc=False):
    """The state of a stream at a version, valid only for code with the same fingerprint."""

    stream: str
    version: int
    fingerprint: str
    """Of the state's shape and the evolve code: another fingerprint means the snapshot is ignored."""
    state: str
    """The state as JSON text."""
    position: int = 0
    """The head of the log when it was written; given by the engine."""
    taken: int = 0
    """When it was written, in microseconds since 1970 UTC; given by the engine."""


class Snapshots(Protocol):
    """What an engine keeps of folded states: the newest per stream, written by ``Engine.append`` only."""

    async def snapshot(self, stream: str) -> Snapshot | None:
        """The newest committed snapshot of the stream, whatever its fingerprint, or None."""
        ...
