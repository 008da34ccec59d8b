"""Cuts an import into batches, each one atomic write. Used by imports, in the thread that reads the source.

Every write carries a mark: an idempotency key that names the row it begins behind, with the digest of all rows up to
its end. So a batch can be stored once only, whoever tries, and a later run can tell whether the source has changed.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import msgspec

from everfold.errors import InvalidImport, SourceChanged
from everfold.log.checkpoint import Checkpoint
from everfold.log.idempotency import Repeatable
from everfold.log.write import StreamAppend, Write
from everfold.migration.import_report import Rejection
from everfold.migration.mapper import Mapper
from everfold.migration.mapping import Import
from everfold.migration.row_groups import RowGroup, row_groups
from everfold.migration.source import SourceRow

__all__ = ["Batch", "Batches", "Mark", "Unit", "checkpoint_name", "mark_key", "rejections", "write_of"]

MAX_EVENTS, MAX_ROWS, MAX_BYTES = 1_000, 5_000, 4 * 1024 * 1024
BEGINNING = b""
_NOTHING = object()
_encode = msgspec.json.Encoder(enc_hook=repr).encode


class Mark(msgspec.Struct, frozen=True):
    """What is kept of a batch: it goes up to this row and made so many events."""

    until: int
    events: int
    rejected: int


class Unit(msgspec.Struct, frozen=True):
    """What is stored in one piece: a row or a group, mapped, or rejected."""

    group: RowGroup
    until: int
    digest: bytes
    """Of all rows up to ``until``."""
    appends: tuple[StreamAppend, ...] = ()
    error: InvalidImport | None = None
    """Why it is passed over."""


class Batch(msgspec.Struct):
    """Units in order, behind the row ``after``."""

    after: int
    units: list[Unit]
    share: float | None = None
    is_last: bool = False
    error: Exception | None = None
    """What kept it from growing; the units before are fine."""

    @property
    def until(self) -> int:
        """The last row of it."""
        return self.units[-1].until if self.units else self.after


class Batches:
    """Reads and maps a source. Everything here is called by one thread at a time."""

    def __init__(self, imported: Import, mapper: Mapper, *, skips: bool) -> None:
        """``skips``: bad rows are passed over; otherwise the first one ends the reading."""
        self._mapper = mapper
        self._source = imported.source
        self._group_by = imported.group_by
        self._skips = skips
        self._rows: Iterator[SourceRow] = iter(self._source)
        self._groups: Iterator[RowGroup] | None = None
        self._digest = BEGINNING
        self._row = 0
        self._value: Any = _NOTHING

    @property
    def share(self) -> float | None:
        """How much of the source has been read."""
        return self._source.share

    def skip(self, until: int) -> str:
        """Pass over the rows up to this one; the digest of all so far. SourceChanged when there are not so many."""
        digest, number, row = self._digest, self._row, None
        while number < until:
            row = next(self._rows, None)
            if row is None:
                raise SourceChanged(
                    f"it ends after row {number:,}, and {until:,} rows or more were imported from it. Give the whole "
                    "source; another source needs an import of another name.",
                    source=self._source.name,
                )
            digest, number = _chained(digest, row), number + 1
        self._digest, self._row = digest, number
        if row is not None and self._group_by is not None:
            self._value = row.fields.get(self._group_by, _NOTHING)
        return digest.hex()

    def next(self) -> Batch:
        """The next batch: as many whole units as fit. An error ends it and is carried by it."""
        batch = Batch(self._row, [])
        events = size = 0
        try:
            while events < MAX_EVENTS and size < MAX_BYTES and batch.until - batch.after < MAX_ROWS:
                group = self._next_group()
                if group is None:
                    batch.is_last = True
                    break
                unit = self._unit(group)
                batch.units.append(unit)
                self._row, self._digest = unit.until, unit.digest
                for append in unit.appends:
                    events += len(append.records)
                    size += sum([len(record.data) for record in append.records])
        except Exception as error:
            batch.error = error
        batch.share = self.share
        return batch

    def close(self) -> None:
        """Close what the source has open."""
        for opened in (self._groups, self._rows):
            close: Callable[[], None] | None = getattr(opened, "close", None)
            if close:
                close()

    def _next_group(self) -> RowGroup | None:
        if self._groups is None:
            self._groups = row_groups(self._rows, self._group_by, source=self._source.name)
            group = next(self._groups, None)
            if group and self._value is not _NOTHING and group.value == self._value:
                raise SourceChanged(
                    f"the row continues the group {str(self._value)!r}, whose earlier rows are imported already as "
                    "they were. Import a source only when its last group is whole.",
                    source=self._source.name,
                    line=group.rows[0].line,
                    row=group.rows[0].number,
                    field=self._group_by,
                )
            return group
        return next(self._groups, None)

    def _unit(self, group: RowGroup) -> Unit:
        digest = self._digest
        for row in group.rows:
            digest = _chained(digest, row)
        until = self._row + len(group.rows)
        try:
            return Unit(group, until, digest, self._mapper.appends(group))
        except InvalidImport as error:
            if not self._skips or error.row is None:
                raise
            return Unit(group, until, digest, error=error)


def _chained(digest: bytes, row: SourceRow) -> bytes:
    try:
        content = _encode(row.fields)
    except (TypeError, ValueError, OverflowError):  # undecodable text, huge numbers
        content = ascii(row.fields).encode()
    return hashlib.sha256(digest + content).digest()


def checkpoint_name(name: str) -> str:
    """The checkpoint of an import: the number of the last row that is dealt with."""
    return f"import:{name}"


def mark_key(name: str, after: int) -> str:
    """The idempotency key of the batch that begins behind this row."""
    return f"import:{name}:{after}"


def write_of(name: str, after: int, units: Sequence[Unit]) -> Write:
    """All of these units, the mark and the checkpoint, in one atomic write."""
    appends = tuple([append for unit in units for append in unit.appends])
    last = units[-1]
    rejected = sum(len(unit.group.rows) for unit in units if unit.error)
    mark = Mark(last.until, sum(len(append.records) for append in appends), rejected)
    repeatable = Repeatable(mark_key(name, after), last.digest.hex(), _encode(mark).decode())
    return Write(appends=appends, repeatable=repeatable, checkpoints=(Checkpoint(checkpoint_name(name), last.until),))


def rejections(unit: Unit) -> Iterator[Rejection]:
    """Every row of a unit that is passed over; the row to blame carries the field."""
    error = unit.error
    if error is None:
        return
    for row in unit.group.rows:
        is_to_blame = row.number == error.row
        problem = error.problem if is_to_blame else f"its group has a bad row {error.row}: {error.problem}"
        yield Rejection(row.number, row.line, error.field if is_to_blame else None, problem, row.fields)
