"""Looks into the types of fields: what JSON can hold, and what may be missing.

Used when messages and states are made, and by the codec.
"""

from __future__ import annotations

import typing
from collections.abc import Iterator

from msgspec import inspect, json

from everfold.domain.annotations import field_hints

__all__ = ["accepts_none", "field_names", "field_problems", "is_pydantic", "type_of_field", "walk"]

_NOT_KEYS = (
    inspect.BoolType,
    inspect.NoneType,
    inspect.CollectionType,
    inspect.TupleType,
    inspect.DictType,
    inspect.StructType,
    inspect.DataclassType,
    inspect.NamedTupleType,
    inspect.TypedDictType,
)


def is_pydantic(cls: type) -> bool:
    """Whether the class is a pydantic model; asked without importing pydantic."""
    return hasattr(cls, "model_validate_json") and hasattr(cls, "model_dump_json")


def field_problems(cls: type) -> list[str]:
    """One sentence per field whose type cannot be stored. Types that are not defined yet pass for now."""
    if is_pydantic(cls):
        return []
    try:
        json.Decoder(cls)
        info = inspect.type_info(cls)
    except NameError:
        return []
    except (TypeError, ValueError) as error:
        return _guilty_fields(cls) or [f"it has a field that cannot be stored ({error})"]
    fields: tuple[inspect.Field, ...] = getattr(info, "fields", ())
    problems = [(field.name, problem) for field in fields if (problem := _problem(field.type))]
    if hasattr(cls, "__attrs_attrs__"):
        problems += [(field.name, "is private, and would be left out") for field in fields if field.name[0] == "_"]
    return [f"the field {field!r} {problem}" for field, problem in problems]


def _guilty_fields(cls: type) -> list[str]:
    problems: list[str] = []
    for field, hint in field_hints(cls).items():
        try:
            json.Decoder(hint)
        except (TypeError, ValueError) as error:
            problems.append(f"the field {field!r} has a type that cannot be stored ({error})")
    return problems


def _problem(info: inspect.Type) -> str | None:
    for node in walk(info):
        if isinstance(node, inspect.CustomType):
            return f"has the type {getattr(node.cls, '__qualname__', node.cls)}, which cannot be stored"
        if isinstance(node, inspect.DictType) and any(isinstance(key, _NOT_KEYS) for key in _members(node.key_type)):
            return "is a dict whose keys are neither text nor numbers"
    return None


def field_names(cls: type) -> frozenset[str]:
    """The names of the fields of a struct."""
    return frozenset(getattr(cls, "__struct_fields__", ()))


def type_of_field(cls: type, name: str) -> inspect.Type | None:
    """The type of one field of a struct, or None when it is not known (yet)."""
    try:
        info = inspect.type_info(cls)
    except NameError:
        return None
    fields: tuple[inspect.Field, ...] = getattr(info, "fields", ())
    return next((field.type for field in fields if field.name == name), None)


def accepts_none(info: inspect.Type | None) -> bool:
    """Whether a field of this type may be None."""
    return info is not None and any(isinstance(member, inspect.NoneType) for member in _members(info))


def _members(info: inspect.Type) -> tuple[inspect.Type, ...]:
    if isinstance(info, inspect.Metadata):
        return _members(info.type)
    return info.types if isinstance(info, inspect.UnionType) else (info,)


def walk(info: inspect.Type) -> Iterator[inspect.Type]:
    """Every node of a type, each struct once."""
    seen: set[int] = set()
    pending: list[object] = [info]
    while pending:
        node = pending.pop()
        if isinstance(node, inspect.Field):
            node = node.type
        if isinstance(node, tuple | list):
            pending.extend(typing.cast("typing.Iterable[object]", node))
        elif isinstance(node, inspect.Type) and id(node) not in seen:
            seen.add(id(node))
            yield node
            pending.extend(getattr(node, name) for name in node.__struct_fields__)
