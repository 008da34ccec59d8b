"""One atomic append, and what can become of it. The committer hands writes to an engine in batches."""

from __future__ import annotations

import msgspec

from everfold.errors import EverfoldError
from everfold.log.checkpoint import Checkpoint
from everfold.log.condition import Condition
from everfold.log.idempotency import Repeatable, StoredReply
from everfold.log.record import NewRecord
from everfold.log.snapshot import Snapshot

__all__ = ["Appended", "Conflicted", "Failed", "Outcome", "Repeated", "StreamAppend", "Write"]


class StreamAppend(msgspec.Struct, frozen=True, gc=False):
    """Records for one stream, in order. Without records it only asserts the expected version."""

    stream: str
    records: tuple[NewRecord, ...] = ()
    expected: int | None = None
    """The version the stream must have; 0: it must be empty; None: any."""


class Write(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """One append: everything in it is stored in one transaction, or nothing is."""

    appends: tuple[StreamAppend, ...] = ()
    condition: Condition | None = None
    repeatable: Repeatable | None = None
    """The idempotency key, with the reply to give when the same command comes again."""
    checkpoints: tuple[Checkpoint, ...] = ()
    snapshots: tuple[Snapshot, ...] = ()


class Appended(msgspec.Struct, frozen=True, gc=False):
    """It is durable. ``first`` to ``last`` are its positions (``last < first``: it had no records)."""

    first: int
    last: int
    recorded: int
    """The time given to its records, in microseconds since 1970 UTC."""
    versions: tuple[int, ...]
    """The version each stream has reached, in the order of the write's appends."""


class Conflicted(msgspec.Struct, frozen=True):
    """An expected version or a condition did not hold. Nothing of the write was stored."""

    reason: str
    stream: str | None = None
    expected: int | None = None
    actual: int | None = None


class Repeated(msgspec.Struct, frozen=True):
    """The idempotency key was stored before, with this reply. Nothing was stored again."""

    reply: StoredReply


class Failed(msgspec.Struct, frozen=True):
    """This write could not be stored and others could: ``error`` says why. Nothing of it was stored."""

    error: EverfoldError


Outcome = Appended | Conflicted | Repeated | Failed
