"""Finds what JSON would change silently: an event must be read back as exactly what was written.

Naive datetimes, NaN, numbers too long for 64 bits, and values that are not of their field's type are named with
their place. Used by the JSON format on every write: a quick look first, a thorough one when that is not enough.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence, Set
from datetime import datetime, time
from decimal import Decimal
from operator import attrgetter
from typing import Any

import msgspec
from msgspec import inspect

from everfold.domain.shape import is_pydantic, walk

__all__ = ["read_back", "thorough_check"]

SMALLEST, LARGEST = -(2**63), 2**64 - 1
_kind: Callable[[Any], type] = type
_MAPPING: Any = Mapping
_SEQUENCE: Any = (list, tuple)
_SET: Any = Set
Getter = Callable[[Any], Any]
_LOOK_CLOSER = (inspect.DateTimeType, inspect.TimeType, inspect.DecimalType, inspect.IntType, inspect.AnyType)


def read_back(cls: type, decode: Callable[[bytes], Any]) -> Callable[[Any, bytes], Any]:
    """A function of an instance and its JSON that gives what is read back.

    It raises what ``decode`` raises, and ValueError when the two differ or hold what JSON cannot. Most fields are
    safe when both instances are equal; the others are looked at one by one.
    """
    integers, others = _fields_to_look_at(cls)
    is_always_compared = is_pydantic(cls)

    def read(written: Any, data: bytes) -> Any:
        try:
            copy = decode(data)
        except Exception:
            thorough_check(written, written)  # if it finds something, it has the better words
            raise
        for get in integers:
            if not SMALLEST <= get(written) <= LARGEST:
                thorough_check(written, copy)
        for path, get in others:
            _compare(get(written), get(copy), path)
        if is_always_compared or written != copy:
            thorough_check(written, copy)
        return copy

    return read


def _fields_to_look_at(cls: type) -> tuple[list[Getter], list[tuple[str, Getter]]]:
    """The fields that are whole numbers without bounds, and the others that equality says too little about."""
    integers: list[Getter] = []
    others: list[tuple[str, Getter]] = []
    fields: tuple[inspect.Field, ...] = () if is_pydantic(cls) else getattr(inspect.type_info(cls), "fields", ())
    for field in fields:
        if isinstance(field.type, inspect.IntType):
            integers += [] if _is_bounded(field.type) else [attrgetter(field.name)]
        elif any(isinstance(node, _LOOK_CLOSER) for node in walk(field.type)):
            others.append((f".{field.name}", attrgetter(field.name)))
    return integers, others


def _is_bounded(info: inspect.IntType) -> bool:
    return (info.ge is not None or info.gt is not None) and (info.le is not None or info.lt is not None)


def thorough_check(written: object, read: object) -> None:
    """ValueError, naming the place, when the two differ or hold what JSON cannot."""
    _compare(written, read, "")


def _compare(written: Any, read: Any, path: str) -> None:
    leaf = _LEAVES.get(_kind(written))
    if leaf is not None:
        leaf(written, read, path)
    elif isinstance(written, _SEQUENCE):
        _compare_sequences(written, read, path)
    elif isinstance(written, _MAPPING):
        _compare_mappings(written, read, path)
    elif isinstance(written, _SET):
        _same(written, read, path)
        for member in written:
            _compare(member, member, f"{path}[...]")
    elif (names := _field_names(_kind(written))) is not None:
        _same_type(written, read, path)
        for name in names:
            _compare(getattr(written, name), getattr(read, name), f"{path}.{name}")
    else:
        leaf = next((_LEAVES[base] for base in _kind(written).__mro__ if base in _LEAVES), _same)
        leaf(written, read, path)


def _compare_mappings(written: Mapping[Any, Any], read: Any, path: str) -> None:
    if not isinstance(read, _MAPPING) or written.keys() != read.keys():
        raise _changed(written, read, path)
    for key, value in written.items():
        _compare(key, key, f"{path}[{key!r}]")
        _compare(value, read[key], f"{path}[{key!r}]")


def _compare_sequences(written: Sequence[Any], read: Any, path: str) -> None:
    if not isinstance(read, _SEQUENCE) or len(written) != len(read):
        raise _changed(written, read, path)
    for index, (one, other) in enumerate(zip(written, read, strict=True)):
        _compare(one, other, f"{path}[{index}]")


def _field_names(cls: Any) -> Sequence[str] | None:
    """The fields of a struct, pydantic model, attrs class or dataclass; None for other classes."""
    if isinstance(cls, msgspec.StructMeta):
        return cls.__struct_fields__
    if is_pydantic(cls):
        return list(cls.model_fields)
    if hasattr(cls, "__attrs_attrs__"):
        return [attribute.name for attribute in cls.__attrs_attrs__]
    fields = getattr(cls, "__dataclass_fields__", None)
    return None if fields is None else list(fields)


def _same_type(written: object, read: object, path: str) -> None:
    if type(written) is not type(read):
        raise _changed(written, read, path)


def _same(written: object, read: object, path: str) -> None:
    if written != read:
        raise _changed(written, read, path)


def _integer(written: int, read: object, path: str) -> None:
    if not SMALLEST <= written <= LARGEST:
        raise ValueError(f"the whole number has more than 64 bits - at `${path}`. Store it as text")
    _same(written, read, path)


def _real(written: float | Decimal, read: object, path: str) -> None:
    is_finite = written.is_finite() if isinstance(written, Decimal) else math.isfinite(written)
    if not is_finite:
        raise ValueError(f"{written} is not a number that JSON can hold - at `${path}`")
    _same(written, read, path)


def _moment(written: datetime | time, read: Any, path: str) -> None:
    if written.utcoffset() is None:
        raise ValueError(f"{written!r} has no time zone - at `${path}`. Use an aware one, as with tzinfo=datetime.UTC")
    # Not by == alone: a time in the hour that a zone repeats in autumn never equals one of another zone.
    if type(written) is not type(read) or (written != read and written.isoformat() != read.isoformat()):
        raise _changed(written, read, path)


def _changed(written: object, read: object, path: str) -> ValueError:
    return ValueError(
        f"{written!r:.80} ({type(written).__qualname__}) would be read back as {read!r:.80} "
        f"({type(read).__qualname__}) - at `${path}`"
    )


_LEAVES: dict[type, Callable[[Any, Any, str], None]] = {
    int: _integer,
    float: _real,
    Decimal: _real,
    datetime: _moment,
    time: _moment,
}
for _plain in (str, bytes, bool, type(None)):
    _LEAVES[_plain] = _same
