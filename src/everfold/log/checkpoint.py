"""Checkpoints: how far a consumer of the log got. Written by an append or a read model's transaction."""

from __future__ import annotations

from typing import Protocol

import msgspec

__all__ = ["Checkpoint", "Checkpoints"]


class Checkpoint(msgspec.Struct, frozen=True, gc=False):
    """The consumer of this name has dealt with every record up to and including this position."""

    name: str
    position: int


class Checkpoints(Protocol):
    """What an engine keeps of consumers. Checkpoints are written by ``Engine.append`` only."""

    async def checkpoint(self, name: str) -> int:
        """The last committed position of this consumer; 0 when it has none."""
        ...
