"""A source: the rows of a legacy system, in an order that never changes. Read by imports, implemented beside this."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Protocol, runtime_checkable

import msgspec

__all__ = ["Source", "SourceRow"]


class SourceRow(msgspec.Struct, frozen=True, gc=False):
    """One row. ``fields`` by name: text (CSV), JSON values (JSON Lines), or what the database gives (a table)."""

    number: int
    """From 1, without a line of column names and without blank lines."""
    fields: dict[str, Any]
    line: int | None = None
    """The line of the file on which the row begins, from 1; None when there are no lines."""
    problem: str | None = None
    """Why the row cannot be used. Its ``fields`` are then what could be read; what has no name is under ``""``."""


@runtime_checkable
class Source(Protocol):
    """What an import reads.

    Iterating begins anew each time and holds few rows in memory. The order must be the same every time, and new rows
    may only come at the end: so an import can go on where it stopped. Raises ``InvalidImport`` when it cannot be read.
    An import reads it in one thread of its own.
    """

    @property
    def name(self) -> str:
        """What errors call it."""
        ...

    @property
    def columns(self) -> Sequence[str] | None:
        """The names that every row has, known when the first row is; None when each row has names of its own."""
        ...

    @property
    def share(self) -> float | None:
        """How much of it has been read by now, from 0 to 1; None when that cannot be told."""
        ...

    def at(self, place: str) -> Source:
        """The same kind of source, with the same options, at another place: a path or URL."""
        ...

    def __iter__(self) -> Iterator[SourceRow]: ...
