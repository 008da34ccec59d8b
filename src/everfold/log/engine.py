"""The port of an engine: where records live. Implement it, pass ``everfold.testing.contracts``, and it is one.

Used by the store; implemented in ``everfold.engines``. The memory engine is the smallest and the reference.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from everfold.log.catalogue import Catalogue
from everfold.log.checkpoint import Checkpoints
from everfold.log.idempotency import Replies
from everfold.log.integrity import Integrity
from everfold.log.read_database import ReadDatabases
from everfold.log.record import Record
from everfold.log.selection import Selection
from everfold.log.snapshot import Snapshots
from everfold.log.transfer import Transfer
from everfold.log.write import Outcome, Write

__all__ = ["Engine", "LogEngine"]


class LogEngine(Protocol):
    """Six promises make a log.

    Order: positions start at 1, are contiguous, and rise in commit order; a position is never reused or
    renumbered. Atomicity: each write is stored wholly or not at all. Durability: an outcome ``Appended`` is
    returned only after the commit that survives a power cut. Visibility: a reader that sees position n sees
    all positions below n, for ever. Failure: an exception of ``append`` other than ``OutcomeUnknown`` means
    that nothing of the batch was stored. Tasks of one event loop may call all members concurrently.
    """

    async def open(self) -> None:
        """Open or create the storage and upgrade its schema. Refuses foreign and newer storage, untouched."""
        ...

    async def close(self) -> None:
        """Finish what was accepted, release everything. Closing twice is fine."""
        ...

    async def append(self, writes: Sequence[Write]) -> Sequence[Outcome]:
        """Judge and store the writes in order, each on its own: one outcome per write, in one durable commit.

        A later write sees the earlier ones of the batch. A conflict fails only its own write. Raises a
        ``StoreError`` when nothing was stored, ``OutcomeUnknown`` when that cannot be told.
        """
        ...

    async def read(
        self,
        selection: Selection,
        *,
        after: int = 0,
        until: int | None = None,
        limit: int,
        backwards: bool = False,
    ) -> Sequence[Record]:
        """One page: up to ``limit`` selected records with after < position <= until, ascending (or descending).

        The page is one consistent view of the log. Fewer than ``limit`` records: there were no more in range.
        """
        ...

    async def read_stream(
        self,
        stream: str,
        *,
        after: int = 0,
        until: int | None = None,
        limit: int,
        backwards: bool = False,
        bare: bool = False,
    ) -> Sequence[Record]:
        """One page of one stream, as ``read``, but ``after`` and ``until`` are versions of the stream.

        ``bare``: the records are only folded, so id, metadata and tags may be left empty where that is cheaper.
        """
        ...

    async def wait(self, beyond: int, timeout: float | None = None) -> int:
        """Return the head (the highest position) as soon as it is beyond this position, or after ``timeout`` seconds.

        ``wait(-1)`` returns the head at once. Wakes for commits of other processes too. A hint may come late
        but never wrongly: what it returns is committed.
        """
        ...


class Engine(LogEngine, Snapshots, Replies, Checkpoints, Catalogue, Integrity, ReadDatabases, Transfer, Protocol):
    """What the store needs: the log, and what is kept beside it."""
