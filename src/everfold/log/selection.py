"""Selections: which records of the log are meant. Used to read, to follow and to state conditions."""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from everfold.identifiers import category_of
from everfold.log.record import Record

__all__ = ["EVERYTHING", "Selection"]


class Selection(msgspec.Struct, frozen=True, kw_only=True):
    """Which records: all that fit every given criterion. ``a | b`` means the records of either.

    ``Selection()`` is the whole log; ``types`` are alternatives (any of them), ``tags`` must all be present.
    """

    category: str | None = None
    stream: str | None = None
    types: tuple[str, ...] = ()
    tags: tuple[str, ...] = ()
    alternatives: tuple[Selection, ...] = ()
    """When given, the other fields are empty and a record fits if it fits one of these."""

    @classmethod
    def any_of(cls, selections: Iterable[Selection]) -> Selection:
        """The records of any of these selections; of one selection, that selection itself."""
        parts = tuple(part for selection in selections for part in selection.parts)
        if not parts:
            raise ValueError("A selection of any of nothing would select nothing. Give at least one selection.")
        return parts[0] if len(parts) == 1 else cls(alternatives=parts)

    @property
    def parts(self) -> tuple[Selection, ...]:
        """The alternatives, or the selection itself when it has none."""
        if not self.alternatives:
            return (self,)
        return tuple(part for alternative in self.alternatives for part in alternative.parts)

    def __or__(self, other: Selection) -> Selection:
        return Selection.any_of((self, other))

    def matches(self, record: Record) -> bool:
        """Whether the record is meant."""
        if self.alternatives:
            return any(part.matches(record) for part in self.alternatives)
        return self.covers(record.stream, record.type, record.tags)

    def covers(self, stream: str, type: str, tags: tuple[str, ...]) -> bool:
        """Whether a record with this stream, type and tags is meant (for selections without alternatives)."""
        return (
            (self.stream is None or stream == self.stream)
            and (not self.types or type in self.types)
            and (not self.tags or all(tag in tags for tag in self.tags))
            and (self.category is None or category_of(stream) == self.category)
        )


EVERYTHING = Selection()
