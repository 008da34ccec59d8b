"""The fields of events, commands, queries and states as text: ``amount: int > 0``. Used by ``describe``."""

from __future__ import annotations

import dataclasses
import types
import typing
from collections.abc import Iterator
from typing import Annotated, Any

import msgspec

__all__ = ["Field", "fields_of", "type_text"]

_LIMITS = {"gt": ">", "ge": ">=", "lt": "<", "le": "<="}


class Field(msgspec.Struct, frozen=True):
    """One field. ``default`` is JSON text, or None when the field is required."""

    name: str
    type: str
    required: bool
    default: str | None = None

    def __str__(self) -> str:
        return f"{self.name}: {self.type}" + (f" = {self.default}" if self.default is not None else "")


def fields_of(cls: type) -> list[Field]:
    """The fields of any class that can be an event, a command, a query or a state."""
    try:
        hints = typing.get_type_hints(cls, include_extras=True)
    except NameError:  # types that only exist inside a function: show what is written
        hints = dict(getattr(cls, "__annotations__", {}))
    defaults = dict(_defaults(cls))
    return [
        Field(name, type_text(hint), name not in defaults, defaults.get(name))
        for name, hint in hints.items()
        if not name.startswith("__") and typing.get_origin(hint) is not typing.ClassVar and name != "model_config"
    ]


def _defaults(cls: Any) -> Iterator[tuple[str, str]]:
    if issubclass(cls, msgspec.Struct):
        for field in msgspec.structs.fields(cls):
            if not field.required:
                is_made = field.default is msgspec.NODEFAULT
                yield field.name, _value_text(field.default_factory() if is_made else field.default)
    elif dataclasses.is_dataclass(cls):
        for part in dataclasses.fields(cls):
            if part.default_factory is not dataclasses.MISSING:
                yield part.name, _value_text(part.default_factory())
            elif part.default is not dataclasses.MISSING:
                yield part.name, _value_text(part.default)
    else:
        yield from _defaults_of_others(cls)


def _defaults_of_others(cls: Any) -> Iterator[tuple[str, str]]:
    """Of pydantic models and attrs classes, without importing either."""
    for name, field in getattr(cls, "model_fields", {}).items():
        if not field.is_required():
            yield name, _value_text(field.default)
    for field in getattr(cls, "__attrs_attrs__", ()):
        if repr(field.default) != "NOTHING":
            yield field.name, _value_text(field.default)


def _value_text(value: object) -> str:
    try:
        return msgspec.json.encode(value).decode()
    except (TypeError, ValueError):
        return repr(value)


def type_text(hint: Any) -> str:
    """A type as one would write it, its limits behind it."""
    if typing.get_origin(hint) is Annotated:
        base, *marks = typing.get_args(hint)
        return " ".join([type_text(base), *(text for mark in marks for text in _mark_text(mark))])
    arguments = typing.get_args(hint)
    if isinstance(hint, types.UnionType) or typing.get_origin(hint) is typing.Union:
        return " | ".join(type_text(argument) for argument in arguments)
    if typing.get_origin(hint) is typing.Literal:
        return " | ".join(repr(argument) for argument in arguments)
    if arguments:
        origin = type_text(typing.get_origin(hint))
        return f"{origin}[{', '.join(type_text(argument) for argument in arguments)}]"
    if hint in (None, type(None)):
        return "None"
    return "..." if hint is ... else str(getattr(hint, "__qualname__", hint)).rpartition("<locals>.")[2]


def _mark_text(mark: Any) -> Iterator[str]:
    if isinstance(mark, msgspec.Meta):
        for key, value in mark.__rich_repr__():
            if value is not None:
                yield f"{_LIMITS[key]} {value}" if key in _LIMITS else f"{key}={value!r}"
    elif type(mark).__name__ == "Tag":
        yield f"(tag {mark.name})"
