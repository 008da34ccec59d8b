"""Moving a whole log from one storage to another, with nothing renumbered. Used by export and restore."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from everfold.log.checkpoint import Checkpoint
from everfold.log.idempotency import StoredReply
from everfold.log.record import Record

__all__ = ["Transfer"]


class Transfer(Protocol):
    """What an engine offers beside appending, so that a store can be written out and made again."""

    async def replies(self, *, after: str = "", limit: int) -> Sequence[StoredReply]:
        """A page of the stored replies in order of their keys."""
        ...

    async def checkpoints(self) -> Sequence[Checkpoint]:
        """Every consumer's checkpoint, in order of the names."""
        ...

    async def restore(
        self,
        records: Sequence[Record],
        *,
        replies: Sequence[StoredReply] = (),
        checkpoints: Sequence[Checkpoint] = (),
    ) -> None:
        """Store these exactly as they are (position, version, id, time), in one durable transaction.

        The records must continue the log: positions from head + 1, contiguous, versions that continue their
        streams, times that never decrease. StoreError otherwise, and nothing is stored.
        """
        ...
