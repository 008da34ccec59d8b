"""Annotations as objects: text is evaluated where the class was written, also inside functions.

Used when messages and states are made, so that ``from __future__ import annotations`` changes nothing.
"""

from __future__ import annotations

import sys
import typing
from collections.abc import Mapping
from types import FrameType
from typing import Any

__all__ = ["evaluate", "field_hints", "names_around", "settle_fields"]

Names = Mapping[str, object]


def names_around(frame: FrameType | None) -> dict[str, object]:
    """The local names that the caller of this frame sees: its own, and those of the functions around it."""
    found: dict[str, object] = {}
    inner = frame.f_back if frame else None
    while inner is not None and inner.f_code.co_name != "<module>":
        found = {**inner.f_locals, **found}
        outer = inner.f_back
        is_around = outer is not None and inner.f_code.co_qualname.startswith(f"{outer.f_code.co_qualname}.")
        inner = outer if outer is not None and is_around and outer.f_globals is inner.f_globals else None
    return found


def evaluate(annotation: object, scope: Names, names: Names) -> Any:
    """The annotation with all its text evaluated. Raises what evaluating raises, a NameError mostly."""
    holder = type("Annotated", (), {"__annotations__": {"it": annotation}})
    return typing.get_type_hints(holder, dict(scope), dict(names), include_extras=True)["it"]


def settle_fields(cls: type, names: Names) -> None:
    """Put objects in place of the text among the annotations of this class, where their names are known by now.

    Whoever reads the annotations later (msgspec, typing) has only the module to look names up in. What is
    not defined yet stays text.
    """
    own: dict[str, Any] = cls.__annotations__ if "__annotations__" in vars(cls) else {}
    scope = vars(sys.modules[cls.__module__]) if cls.__module__ in sys.modules else {}
    for field, annotation in own.items():
        try:
            own[field] = evaluate(annotation, scope, {cls.__name__: cls, **names})
        except Exception:  # noqa: S112 (users' text may fail in any way; it is checked again later)
            continue


def field_hints(cls: type) -> dict[str, Any]:
    """The types of the fields by name, inherited ones included, with what ``Annotated`` adds to them."""
    hints = typing.get_type_hints(cls, include_extras=True)
    return {
        field: hint
        for field, hint in hints.items()
        if not field.startswith("__") and typing.get_origin(hint) is not typing.ClassVar
    }
