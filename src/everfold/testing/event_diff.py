"""Shows how the events that came differ from those that were expected. Used by scenarios and golden records."""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Sequence
from typing import Any

import msgspec

__all__ = ["field_values", "show_difference", "show_events"]


def show_events(events: Sequence[object]) -> str:
    """The events, one a line; ``(none)`` when there are none."""
    return "\n".join(f"    {event!r}" for event in events) or "    (none)"


def show_difference(expected: Sequence[object], found: Sequence[object]) -> str:
    """One line per event: ``-`` expected and missing, ``+`` came instead, and which fields differ."""
    matcher = difflib.SequenceMatcher(
        a=[_identity(event) for event in expected], b=[_identity(event) for event in found], autojunk=False
    )
    lines: list[str] = []
    for kind, low, high, other_low, other_high in matcher.get_opcodes():
        missing, extra = expected[low:high], found[other_low:other_high]
        if kind == "equal":
            lines += [f"    {event!r}" for event in missing]
        else:
            lines += _changed(missing, extra)
    return "\n".join(lines)


def _identity(event: object) -> str:
    return f"{type(event).__module__}.{event!r}"


def _changed(missing: Sequence[object], extra: Sequence[object]) -> Iterator[str]:
    for number in range(max(len(missing), len(extra))):
        before, after = missing[number : number + 1], extra[number : number + 1]
        for event in before:
            yield f"  - {event!r}"
        for event in after:
            yield f"  + {event!r}"
        if before and after and type(before[0]) is type(after[0]):
            yield from _field_lines(field_values(before[0]), field_values(after[0]))


def _field_lines(before: dict[str, Any], after: dict[str, Any]) -> Iterator[str]:
    for name, value in before.items():
        if after.get(name) != value:
            yield f"      {name}: expected {value!r}, got {after.get(name)!r}"


def field_values(value: object) -> dict[str, Any]:
    """The fields of an event or state by name, whatever kind of class it is."""
    if isinstance(value, msgspec.Struct):
        return {name: getattr(value, name) for name in value.__struct_fields__}
    attributes: Any = getattr(value, "__attrs_attrs__", None)
    if attributes is not None:
        return {attribute.name: getattr(value, attribute.name) for attribute in attributes}
    return dict(vars(value))
