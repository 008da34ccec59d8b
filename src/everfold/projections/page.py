"""Pages: a part of a longer answer, with what is needed to ask for the next. Used in the answers of queries."""

from __future__ import annotations

from typing import Generic, TypeVar

import msgspec

__all__ = ["Page"]

T = TypeVar("T")


class Page(msgspec.Struct, Generic[T], frozen=True):
    """Some of the rows that fit, in order. All pages of one answer are not one view: rows may move between them."""

    items: list[T]
    total: int
    """How many rows fit in all."""
    limit: int
    offset: int
    """How many rows come before these."""

    @property
    def next_offset(self) -> int | None:
        """The offset of the next page; None: this is the last."""
        end = self.offset + len(self.items)
        return end if self.items and end < self.total else None
