"""How the rows of two tables differ, found in one walk along both. Used to compare rebuilds and legacy tables.

Rows come in the order of their keys, so that neither table has to fit into memory.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, TypeVar

import msgspec

__all__ = ["Difference", "RowChange", "pairs_by_key"]

T = TypeVar("T")
SHOWN = 20


class RowChange(msgspec.Struct, frozen=True):
    """A row that is not the same in both tables."""

    table: str
    kind: str
    """``added``, ``removed`` or ``changed``."""
    key: tuple[Any, ...]
    before: dict[str, Any] | None
    after: dict[str, Any] | None
    fields: list[str] = []
    """The fields that differ, of a row that is in both tables."""


class Difference(msgspec.Struct):
    """How the rows of one table differ from those of the one before it."""

    table: str
    same: int = 0
    added: int = 0
    removed: int = 0
    changed: int = 0
    examples: list[RowChange] = []
    """The first of them."""

    @property
    def is_same(self) -> bool:
        """Whether no row differs."""
        return not (self.added or self.removed or self.changed)

    def note(
        self,
        key: tuple[Any, ...],
        before: dict[str, Any] | None,
        after: dict[str, Any] | None,
        *,
        fields: Sequence[str] | None = None,
        shown: int = SHOWN,
    ) -> None:
        """Count a row that is only in one table (the other is None), or not the same in both.

        ``fields``: those that differ, by default all that are not equal.
        """
        kind = "added" if before is None else "removed" if after is None else "changed"
        setattr(self, kind, getattr(self, kind) + 1)
        if len(self.examples) < shown:
            differing = _unequal(before or {}, after or {}) if fields is None else list(fields)
            self.examples.append(RowChange(self.table, kind, key, before, after, differing))


def _unequal(before: Mapping[str, Any], after: Mapping[str, Any]) -> list[str]:
    return [name for name in before if name in after and before[name] != after[name]]


def pairs_by_key(
    befores: Iterator[tuple[Any, T]], afters: Iterator[tuple[Any, T]]
) -> Iterator[tuple[Any, T | None, T | None]]:
    """Each key with its row in the first table, in the second, or in both. Both come as (key, row), ascending."""
    before, after = next(befores, None), next(afters, None)
    while before is not None or after is not None:
        if after is None or (before is not None and before[0] < after[0]):
            assert before is not None  # noqa: S101
            yield before[0], before[1], None
            before = next(befores, None)
        elif before is None or after[0] < before[0]:
            yield after[0], None, after[1]
            after = next(afters, None)
        else:
            yield before[0], before[1], after[1]
            before, after = next(befores, None), next(afters, None)
