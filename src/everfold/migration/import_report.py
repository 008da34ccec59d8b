"""What an import says of itself: while it runs, and when it is done. Used by imports and their callers."""

from __future__ import annotations

from typing import Any

import msgspec

__all__ = ["ImportProgress", "ImportReport", "Rejection"]

SHOWN = 100


class ImportProgress(msgspec.Struct, frozen=True):
    """How far an import is."""

    row: int
    """The number of the last row that is dealt with."""
    events: int
    """How many events this run has stored."""
    share: float | None
    """How much of the source has been read, from 0 to 1; None when that cannot be told."""
    is_checking: bool
    """The rows are those of an earlier run: they are compared, and not imported again."""


class Rejection(msgspec.Struct, frozen=True):
    """A row that was passed over because it could not be mapped or stored. Rows of one group go together."""

    row: int
    line: int | None
    field: str | None
    problem: str
    fields: dict[str, Any]


class ImportReport(msgspec.Struct):
    """What one run did. All counts are of this run, except ``rows_before``."""

    name: str
    source: str
    is_dry_run: bool
    rows_before: int = 0
    """Rows that earlier runs had dealt with."""
    rows: int = 0
    """New rows, rejected ones among them."""
    events: int = 0
    """Events that were stored; in a dry run, that would be."""
    events_by_type: dict[str, int] = {}
    rejected: int = 0
    """Rows that were passed over as bad."""
    rejections: list[Rejection] = []
    """The first 100 of them."""

    def count(self, types: dict[str, int]) -> None:
        """Add events that were stored, by their types."""
        for type, number in types.items():
            self.events_by_type[type] = self.events_by_type.get(type, 0) + number
            self.events += number

    def reject(self, rejection: Rejection) -> None:
        """Add a row that was passed over."""
        self.rejected += 1
        if len(self.rejections) < SHOWN:
            self.rejections.append(rejection)
