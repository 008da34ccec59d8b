"""Writes one build of a projection: rows and position in one transaction, batch by batch. Runs in the writer's thread.

This is where read models become exactly-once: the position is read and moved in the transaction of the rows, under a
fencing token, so that whoever comes twice, late or from the past changes nothing.
"""

from __future__ import annotations

import traceback
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from typing import Any

import msgspec

from everfold.clock import Clock
from everfold.codec.pipeline import Codec
from everfold.engines.driver_errors import is_of_the_row, is_spoilt
from everfold.errors import BrokenRule, ProjectionFailed
from everfold.log.record import Record
from everfold.log.selection import Selection
from everfold.projections.bound import Bound, sql_tables
from everfold.projections.projection import Projection
from everfold.subscriptions.amending import amend
from everfold.subscriptions.bookkeeping import Amended, begin_batch, execute, executemany, rows
from everfold.subscriptions.subscription import Fenced, Moved, Paused

__all__ = ["Applied", "BuildWriter", "FlushFailed"]

ROW_ERRORS = (
    OverflowError,
    TypeError,
    ValueError,
    AttributeError,
    RecursionError,
    msgspec.MsgspecError,
    BrokenRule,
)
"""What a row is to blame for, rather than the database; of the driver's errors ``is_of_the_row`` knows it."""


class FlushFailed(Exception):
    """Rows of a batch cannot be stored. Apply its records one by one to see whose they are."""


def _flush(bound: Bound) -> None:
    try:
        bound.flush()
    except Exception as error:
        if isinstance(error, ROW_ERRORS) or is_of_the_row(error):
            raise FlushFailed from error
        raise


@contextmanager
def _telling_what_was_hushed_up() -> Generator[None]:
    """A handler may hush up an error that it had from the database, and with PostgreSQL the next statement fails then,
    whoever's it is. That is a FlushFailed: nobody knows yet which record is to blame.
    """
    try:
        yield
    except Exception as error:
        cause = error.__cause__ if isinstance(error, ProjectionFailed) else error
        if is_spoilt(cause):
            raise FlushFailed from cause
        raise


class Applied(msgspec.Struct, frozen=True):
    """A batch that was written."""

    position: int
    changed: int
    """The last position that changed anything."""
    handled: int


class BuildWriter:
    """The one that writes to a build's tables, as long as its token is the highest."""

    def __init__(self, projection: type[Projection], build: int, *, dialect: str, codec: Codec, clock: Clock) -> None:
        self.name = projection.__everfold__.name
        self.build = build
        self.dialect = dialect
        self._projection = projection
        self._codec = codec
        self._clock = clock
        self._tables = sql_tables(projection, dialect, build)
        events = tuple(projection.__everfold__.handlers)
        self.types = frozenset(codec.stored_types(events))
        """The types of the records that the projection has handlers for."""
        self.selection = Selection(types=tuple(sorted(self.types)))
        self.ends_in_merge = codec.ends_in_merge
        self.merges = codec.merges
        self._bound: Bound | None = None
        self._epoch = -1
        self._is_undone = False
        self._state: str | None = None
        self._parked: set[str] = set()
        self._amended: dict[int, Amended] = {}

    def of_build(self, build: int) -> BuildWriter:
        """A writer to another build of the projection."""
        return BuildWriter(self._projection, build, dialect=self.dialect, codec=self._codec, clock=self._clock)

    # --- jobs of the read database

    def resume(self, connection: Any, token: int) -> tuple[int, int]:
        """The position of the build, and the last one that changed it, under this token; forgets all rows."""
        self._state = None
        position, changed, epoch = self._begin(connection, token)
        self._load(connection, epoch)
        return position, changed

    def apply(self, connection: Any, records: Sequence[Record], *, after: int, position: int, token: int) -> Applied:
        """Apply the records and move from ``after`` to ``position``.

        Raises ProjectionFailed, FlushFailed, Paused, Fenced or Moved; the caller's transaction is then undone, and
        ``undone`` must be called.
        """
        found, changed, epoch = self._begin(connection, token)
        if found != after:
            raise Moved
        if self._is_undone or epoch != self._epoch or self._bound is None or self._bound.connection is not connection:
            self._load(connection, epoch)
        handled = 0
        if records:
            bound = self._bound
            assert bound is not None  # noqa: S101
            wanted = self._sort_out(connection, records)
            bound.prefetch(wanted)
            with _telling_what_was_hushed_up():
                handled = bound.apply(wanted, self._codec)
                _flush(bound)
                bound.trim()
                changed = position if handled else changed
                self._advance(connection, position, changed)
        else:
            self._advance(connection, position, changed)
        return Applied(position, changed, handled)

    def park(self, connection: Any, record: Record, error: BaseException, *, attempts: int, token: int) -> None:
        """Set a record aside, and go past it. Its stream waits from now on."""
        position, changed, epoch = self._begin(connection, token)
        if position >= record.position:
            raise Moved
        self._load(connection, epoch)
        cause = error.__cause__ or error
        trace = "".join(traceback.format_exception(cause))
        values = {"error": f"{type(cause).__name__}: {cause}", "traceback": trace, "attempts": attempts}
        execute(connection, self.dialect, "insert_parked", **self._parked_row(record, "parked"), **values)
        self._parked.add(record.stream)
        self._advance(connection, record.position, changed)

    def retry(self, connection: Any, records: Sequence[Record]) -> int:
        """Apply records that were set aside, in order, and take them off the list; how many were still on it.

        Raises as ``apply`` does. Those who remember rows of this build are told that they changed.
        """
        execute(connection, self.dialect, "touch", name=self.name, build=self.build)
        self._load(connection, -1)
        values = {"name": self.name, "build": self.build}
        found = execute(connection, self.dialect, "parked_positions", **values).fetchall()
        parked = {position for (position,) in found}
        due = [record for record in records if record.position in parked]
        bound = self._bound
        assert bound is not None  # noqa: S101
        positions = [{**values, "position": record.position} for record in due]
        with _telling_what_was_hushed_up():
            if bound.apply(amend(due, self._amended), self._codec):
                _flush(bound)
            executemany(connection, self.dialect, "delete_parked", positions)
        return len(due)

    def undone(self) -> None:
        """The transaction of the last call was not committed, or nobody waits to hear: the next call forgets the rows.

        Not here and now: a job whose caller was cancelled may still be applying events in the writer's thread.
        """
        self._is_undone = True

    # --- parts

    def _begin(self, connection: Any, token: int) -> tuple[int, int, int]:
        row = begin_batch(connection, self.dialect, name=self.name, build=self.build, token=token)
        if row is None:
            raise Fenced
        state, position, changed, epoch, paused = row
        if self._state is not None and state != self._state:  # another build took its place, or it another's
            raise Fenced
        self._state = state
        if paused is not None:
            raise Paused(paused)
        return position, changed, epoch

    def _load(self, connection: Any, epoch: int) -> None:
        self._is_undone = False
        if self._bound is None or self._bound.connection is not connection:
            self._bound = Bound(self._projection, self._tables, connection, is_writable=True)
        self._bound.forget()
        values = {"name": self.name, "build": self.build}
        found = execute(connection, self.dialect, "parked_streams", **values).fetchall()
        self._parked = {stream for (stream,) in found}
        amended = rows(connection, self.dialect, "read_amended", Amended, name=self.name)
        self._amended = {each.position: each for each in amended}
        self._epoch = epoch

    def _sort_out(self, connection: Any, records: Sequence[Record]) -> Sequence[Record]:
        """The records that are to be applied now, as amended; those of streams that wait are put behind them."""
        if self._parked:
            waiting = [record for record in records if record.stream in self._parked]
            if waiting:
                beside = {"error": "", "traceback": "", "attempts": 0}
                parked = [{**self._parked_row(record, "waiting"), **beside} for record in waiting]
                executemany(connection, self.dialect, "insert_parked", parked)
                records = [record for record in records if record.stream not in self._parked]
        return amend(records, self._amended)

    def _parked_row(self, record: Record, state: str) -> dict[str, object]:
        return {
            "name": self.name,
            "build": self.build,
            "position": record.position,
            "stream": record.stream,
            "type": record.type,
            "state": state,
            "parked": self._clock.micros(),
        }

    def _advance(self, connection: Any, position: int, changed: int) -> None:
        values = {"position": position, "changed": changed, "recorded": self._clock.micros()}
        execute(connection, self.dialect, "advance", name=self.name, build=self.build, **values)
