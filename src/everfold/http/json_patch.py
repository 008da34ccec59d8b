"""The difference of two JSON values as a JSON Patch (RFC 6902): add, remove and replace. Used by stream histories.

JSON values are what ``json.loads`` makes. Other than in Python, true is not 1 here.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Literal

import msgspec

__all__ = ["PatchStep", "json_patch"]

_encode = msgspec.json.Encoder().encode


class PatchStep(msgspec.Struct, frozen=True):
    """One step of a patch: what is done at which place (a JSON Pointer, RFC 6901)."""

    op: Literal["add", "remove", "replace"]
    path: str
    value: Any = msgspec.UNSET
    """What is put there; a removal has none."""


def json_patch(before: Any, after: Any) -> list[PatchStep]:
    """The steps that make ``after`` of ``before``, to be taken in their order."""
    return list(_steps(before, after, ""))


def _steps(before: Any, after: Any, path: str) -> Iterator[PatchStep]:
    if isinstance(before, dict) and isinstance(after, dict):
        yield from _object_steps(before, after, path)  # pyright: ignore[reportUnknownArgumentType]
    elif isinstance(before, list) and isinstance(after, list):
        yield from _array_steps(before, after, path)  # pyright: ignore[reportUnknownArgumentType]
    elif type(before) is not type(after) or before != after:  # pyright: ignore[reportUnknownArgumentType]
        yield PatchStep("replace", path, after)


def _object_steps(before: dict[str, Any], after: dict[str, Any], path: str) -> Iterator[PatchStep]:
    for name in before:
        if name not in after:
            yield PatchStep("remove", _member(path, name))
    for name, value in after.items():
        if name in before:
            yield from _steps(before[name], value, _member(path, name))
        else:
            yield PatchStep("add", _member(path, name), value)


def _array_steps(before: list[Any], after: list[Any], path: str) -> Iterator[PatchStep]:
    """What is the same at both ends stays; what is between is changed place by place, then added or removed."""
    start = 0
    while start < min(len(before), len(after)) and _is_same(before[start], after[start]):
        start += 1
    end = 0
    while end < min(len(before), len(after)) - start and _is_same(before[-1 - end], after[-1 - end]):
        end += 1
    olds, news = before[start : len(before) - end], after[start : len(after) - end]
    for number, (old, new) in enumerate(zip(olds, news, strict=False), start):
        yield from _steps(old, new, f"{path}/{number}")
    for number in range(start + len(olds) - 1, start + len(news) - 1, -1):
        yield PatchStep("remove", f"{path}/{number}")
    for number, new in enumerate(news[len(olds) :], start + len(olds)):
        yield PatchStep("add", f"{path}/{number}", new)


def _is_same(before: Any, after: Any) -> bool:
    """Whether they are one value. Python's own comparison is quick, but takes true for 1, also deep inside."""
    return bool(before == after) and _encode(before) == _encode(after)


def _member(path: str, name: str) -> str:
    return f"{path}/{name.replace('~', '~0').replace('/', '~1')}"
