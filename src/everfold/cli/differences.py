"""What changed between two states, field by field, with a sign each. Used by ``state --diff``."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import msgspec

__all__ = ["Change", "changes", "json_text"]


class Change(msgspec.Struct, frozen=True, omit_defaults=True):
    """One difference at a path such as ``items.0.quantity``."""

    path: str
    change: str
    """``added``, ``removed`` or ``changed``."""
    before: Any = msgspec.UNSET
    after: Any = msgspec.UNSET

    def lines(self) -> Iterator[str]:
        """As people read it: ``+`` came, ``-`` went, ``~`` changed."""
        if self.change == "changed":
            yield f"~ {self.path}: {json_text(self.before)} -> {json_text(self.after)}"
        elif self.change == "added":
            yield f"+ {self.path}: {json_text(self.after)}"
        else:
            yield f"- {self.path}: {json_text(self.before)}"


def changes(before: Any, after: Any, path: str = "") -> Iterator[Change]:
    """The differences of two JSON values, down to the values that differ."""
    ours, theirs = _children(before), _children(after)
    if ours is None or theirs is None or type(before) is not type(after):
        if before != after or type(before) is not type(after):
            yield Change(path, "changed", before, after)
        return
    for name in [*ours, *(name for name in theirs if name not in ours)]:
        place = f"{path}.{name}" if path else name
        if name not in theirs:
            yield Change(place, "removed", before=ours[name])
        elif name not in ours:
            yield Change(place, "added", after=theirs[name])
        else:
            yield from changes(ours[name], theirs[name], place)


def _children(value: Any) -> Mapping[str, Any] | None:
    if isinstance(value, dict):
        return value  # pyright: ignore[reportUnknownVariableType]
    if isinstance(value, list):
        return {str(index): item for index, item in enumerate(value)}  # pyright: ignore[reportUnknownArgumentType, reportUnknownVariableType]
    return None


def json_text(value: Any) -> str:
    """A value on one line."""
    return msgspec.json.encode(value).decode()
