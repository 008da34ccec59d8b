"""Neighbouring rows with the same value in one column, taken together. Used by imports with ``group_by``."""

from __future__ import annotations

from collections.abc import Generator, Iterable
from typing import Any

import msgspec

from everfold.errors import InvalidImport
from everfold.migration.source import SourceRow

__all__ = ["RowGroup", "row_groups"]

MAX_ROWS = 100_000
UNKNOWN = object()
DOUBTFUL = "the row before its group cannot be read and may belong to it."


class RowGroup(msgspec.Struct, gc=False):
    """Rows that are mapped together; a single row where there are no groups."""

    rows: list[SourceRow]
    problem: str | None = None
    """Why none of them can be used, though each may be fine."""
    value: Any = None
    """What the rows have in common."""


def row_groups(rows: Iterable[SourceRow], group_by: str | None, *, source: str) -> Generator[RowGroup]:
    """The rows one by one, or by their value in a column.

    A row that cannot be read spoils the groups it may belong to: the one it stands behind and the one before it.
    """
    if group_by is None:
        for row in rows:
            yield RowGroup([row])
        return
    group = RowGroup([], value=UNKNOWN)
    for row in rows:
        value = _value(row, group_by)
        if group.rows and value is not UNKNOWN and value != group.value:
            yield group
            is_doubtful = group.rows[-1].problem is not None and _value(group.rows[-1], group_by) is UNKNOWN
            group = RowGroup([], DOUBTFUL if is_doubtful else None, UNKNOWN)
        if value is not UNKNOWN:
            group.value = value
        elif row.problem is None:
            group.problem = f"it has no field {group_by!r} to group by."
        group.rows.append(row)
        if len(group.rows) > MAX_ROWS:
            raise InvalidImport(
                f"more than {MAX_ROWS:,} neighbouring rows have the same {group_by!r}. Group by another column.",
                source=source,
                line=row.line,
                row=row.number,
                field=group_by,
            )
    if group.rows:
        yield group


def _value(row: SourceRow, group_by: str) -> Any:
    return row.fields.get(group_by, UNKNOWN)
