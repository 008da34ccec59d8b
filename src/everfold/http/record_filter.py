"""Which records a client wants: the parameters that the feed and the live events have in common."""

from __future__ import annotations

from typing import Annotated

import msgspec
from msgspec import Meta

from everfold.http.parameters import Text
from everfold.identifiers import check_category, check_stream
from everfold.log.selection import EVERYTHING, Selection

__all__ = ["RecordFilter"]


class RecordFilter(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """All that fit every given criterion."""

    category: Annotated[str | None, Meta(description="Only streams of this category, as in account.")] = None
    stream: Annotated[str | None, Meta(description="Only this stream, as in account-a1.")] = None
    type: Annotated[
        tuple[Text, ...], Meta(description="Only events of this type. Given more than once: of any of them.")
    ] = ()
    tag: Annotated[
        tuple[Text, ...], Meta(description="Only events with this tag. Given more than once: with all of them.")
    ] = ()

    def selection(self) -> Selection:
        """The same for the log; InvalidName when a name cannot be one."""
        if self.category is None and self.stream is None and not self.type and not self.tag:
            return EVERYTHING
        return Selection(
            category=None if self.category is None else check_category(self.category),
            stream=None if self.stream is None else check_stream(self.stream),
            types=self.type,
            tags=self.tag,
        )
