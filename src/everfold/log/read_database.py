"""Where read models live: an SQL database beside the log, or the log's own. Used by projections and consumers.

Implemented by every engine. Connections are the driver's own (DB-API): whoever uses them builds the SQL. Their
``commit`` and ``rollback`` do nothing, so that toolkits can be put on top: a transaction ends with its job. They have
an attribute ``cache``, a dict that lives as long as the connection. Results must be fetched within the job.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Protocol, TypeVar

from everfold.log.record import Record
from everfold.log.selection import Selection

__all__ = ["AppendHook", "NotNow", "ReadDatabase", "ReadDatabases", "ReadRecords"]

T = TypeVar("T")


class NotNow(Exception):
    """What ``glance`` was asked for takes too long to wait for it."""


class ReadRecords(Protocol):
    """Reads the log from within a transaction: what has been committed before it began."""

    def __call__(self, selection: Selection, *, after: int, limit: int) -> Sequence[Record]:
        """Up to ``limit`` selected records with position > after, ascending."""
        ...


class AppendHook(Protocol):
    """What writes rows in the transaction of every append of this process: inline read models.

    Called in the thread that writes. ``apply`` and ``flush`` raise ``ProjectionFailed`` for what an event or its rows
    are to blame for: that write is then not stored, and the others of the batch are. Anything else they raise fails
    the batch: let errors of the disk pass as they are.
    """

    def begin(self, connection: Any, *, head: int, is_changed: bool, read: ReadRecords) -> None:
        """A batch begins, and the log ends at ``head``: what ``read`` can see.

        ``is_changed``: others wrote since the last batch ended, or it was undone. Also called after a write of the
        batch was undone (behind ``end``): earlier writes of the batch then count as committed. What it raises fails
        the batch, a ``ProjectionFailed`` too: no write of the batch is to blame.
        """
        ...

    def apply(self, records: Sequence[Record]) -> None:
        """Records that this batch stores, in order; called once or several times, never for what was refused."""
        ...

    def flush(self) -> None:
        """Everything that was applied must be in the database's tables now."""
        ...

    def end(self, *, is_committed: bool) -> None:
        """The batch has ended. Not committed, or not known: forget everything that ``begin`` and later calls made.

        A batch of refusals only may end like this too. Nothing can be written any more; an error is only logged.
        """
        ...


class ReadDatabase(Protocol):
    """Runs jobs with connections of one database. Tasks of one event loop may call it concurrently."""

    @property
    def dialect(self) -> str:
        """Whose SQL it speaks: ``sqlite`` or ``postgresql``."""
        ...

    async def write(self, job: Callable[[Any], T]) -> T:
        """Run the job in one transaction of its own, committed when it returns and undone when it raises.

        The jobs of a process run one after the other, each wholly in a thread that is not the event loop's. Those of
        several processes may overlap where the database lets them; what they lock puts them in order, and ``beside``
        they run one at a time. Cancelling the caller does not stop the job. Raises what the job raises, or a
        ``StoreError`` when nothing was stored, ``OutcomeUnknown`` when that cannot be told. Errors of the SQL and its
        values are the job's; those of the disk and of other programs are ``StoreError``, also when the job's toolkit
        wrapped them.
        """
        ...

    async def read(self, job: Callable[[Any], T]) -> T:
        """Run the job on one consistent view of what is committed, with a connection that cannot write.

        Several may run at the same time, and beside a write.
        """
        ...

    def glance(self, job: Callable[[Any], T]) -> T:
        """Run a short job of reading here and now, in the event loop's thread: a hop to another one costs more.

        As ``read``, but raises ``NotNow`` when it would not be done in a moment, or cannot be begun at once: then
        ``read`` it, from its beginning.
        """
        ...


class ReadDatabases(Protocol):
    """The databases that an engine offers for read models. They are open while the engine is."""

    @property
    def views(self) -> ReadDatabase:
        """For read models that follow at their own pace. They can be rebuilt, so a power cut may take the last
        transactions, wholly and in order.
        """
        ...

    @property
    def beside(self) -> ReadDatabase:
        """The log's own database, as durable as the log: for what must not be lost, and for inline read models."""
        ...

    def log_within(self, connection: Any) -> tuple[int, ReadRecords]:
        """In a job that ``beside`` writes: where the log ends, and how to read it. Nobody appends until it ends."""
        ...

    def hook(self, hook: AppendHook | None) -> None:
        """Have the hook write its rows in the transaction of every append and restore of this engine object.

        From now on, or from ``open`` on; None ends that. The tables are those of ``beside``.
        """
        ...
