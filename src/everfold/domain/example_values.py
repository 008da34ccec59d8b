"""Makes an example of any type, always the same one. Used to write golden records, and to describe the HTTP API."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from msgspec import inspect

__all__ = ["example_data", "example_of"]

_FIXED: Mapping[type[inspect.Type], object] = {
    inspect.NoneType: None,
    inspect.AnyType: "any",
    inspect.BoolType: True,
    inspect.BytesType: "Ynl0ZXM=",
    inspect.ByteArrayType: "Ynl0ZXM=",
    inspect.MemoryViewType: "Ynl0ZXM=",
    inspect.DateTimeType: "2030-01-31T12:30:15.250000Z",
    inspect.TimeType: "12:30:15Z",
    inspect.DateType: "2030-01-31",
    inspect.TimeDeltaType: "PT90S",
    inspect.UUIDType: "01234567-89ab-7cde-8f01-23456789abcd",
    inspect.DecimalType: "12.50",
}
MAX_DEPTH = 5


def example_data(cls: type) -> dict[str, Any]:
    """The fields of an example as JSON values. Types with patterns or rules of their own may not accept them."""
    found = _example(inspect.type_info(cls), 0)
    if not isinstance(found, dict):
        raise TypeError(f"{cls.__qualname__} has no fields to give examples for")
    return found  # pyright: ignore[reportUnknownVariableType]


def example_of(kind: Any) -> Any:
    """An example of any type as a JSON value; TypeError when none is known."""
    return _example(inspect.type_info(kind), 0)


def _example(info: inspect.Type, depth: int) -> Any:
    if isinstance(info, inspect.Metadata):
        return _example(info.type, depth)
    if type(info) in _FIXED:
        return _FIXED[type(info)]
    make = _MAKERS.get(type(info))
    if make is None or depth > MAX_DEPTH:
        raise TypeError(f"no example is known for {info}")
    return make(info, depth)


def _number(info: Any, depth: int) -> object:
    low = info.ge if info.ge is not None else (info.gt + 1 if info.gt is not None else None)
    high = info.le if info.le is not None else (info.lt - 1 if info.lt is not None else None)
    wanted = 7 if isinstance(info, inspect.IntType) else 7.5
    if info.multiple_of is not None:
        wanted = info.multiple_of
    if low is not None and wanted < low:
        wanted = low
    return wanted if high is None or wanted <= high else high


def _text(info: Any, depth: int) -> str:
    text = "text".ljust(info.min_length or 0, "x")
    return text if info.max_length is None else text[: info.max_length]


def _items(info: Any, depth: int) -> list[object]:
    count = max(1, info.min_length or 0)
    return [_example(info.item_type, depth + 1) for _ in range(count)]


def _union(info: Any, depth: int) -> object:
    for choice in sorted(info.types, key=lambda kind: isinstance(kind, inspect.NoneType)):
        try:
            return _example(choice, depth)
        except TypeError:
            continue
    raise TypeError(f"no example is known for {info}")


def _struct(info: Any, depth: int) -> dict[str, object]:
    fields = {
        field.encode_name: _example(field.type, depth + 1)
        for field in info.fields
        if field.required or not _is_too_deep(field.type, depth)
    }
    tag = getattr(info, "tag_field", None)
    return ({tag: info.tag} if tag else {}) | fields


def _is_too_deep(info: inspect.Type, depth: int) -> bool:
    try:
        _example(info, depth + 1)
    except TypeError:
        return True
    return False


_MAKERS: Mapping[type[inspect.Type], Callable[[Any, int], Any]] = {
    inspect.IntType: _number,
    inspect.FloatType: _number,
    inspect.StrType: _text,
    inspect.LiteralType: lambda info, depth: info.values[0],
    inspect.EnumType: lambda info, depth: next(iter(info.cls)).value,
    inspect.ListType: _items,
    inspect.SetType: _items,
    inspect.FrozenSetType: _items,
    inspect.CollectionType: _items,
    inspect.VarTupleType: _items,
    inspect.TupleType: lambda info, depth: [_example(item, depth + 1) for item in info.item_types],
    inspect.DictType: lambda info, depth: {
        str(_example(info.key_type, depth + 1)): _example(info.value_type, depth + 1)
    },
    inspect.UnionType: _union,
    inspect.StructType: _struct,
    inspect.DataclassType: _struct,
    inspect.TypedDictType: _struct,
    inspect.NamedTupleType: lambda info, depth: [_example(field.type, depth + 1) for field in info.fields],
}
