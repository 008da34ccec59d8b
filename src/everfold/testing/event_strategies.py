"""Hypothesis strategies for events and commands, made from the types of their fields. Used by ``check_projection``.

Values keep the rules of their fields (``Meta``). Whole numbers without bounds stay below a thousand million, so that
adding some up does not leave the 64 bits of a column.
"""

from __future__ import annotations

import base64
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any

import msgspec
from hypothesis import strategies as st
from msgspec import inspect

__all__ = ["data_of", "instances_of"]

Json = st.SearchStrategy[Any]
MAX_DEPTH = 4
MAX_ITEMS = 4
LARGE = 10**9
FIRST, LAST = datetime(2000, 1, 1), datetime(2099, 12, 31)  # noqa: DTZ001 (the strategy adds the zone)


def instances_of(cls: type[Any], decode: Callable[[bytes], Any] | None = None) -> st.SearchStrategy[Any]:
    """Instances of an event or command; ``decode`` makes one of JSON. TypeError: its types are not understood."""
    decode = decode or msgspec.json.Decoder(cls).decode

    def make(data: Any) -> Any:
        try:
            return decode(msgspec.json.encode(data))
        except (msgspec.ValidationError, ValueError, TypeError):  # a rule of its own, which the types do not tell
            return None

    return data_of(cls).map(make).filter(lambda made: made is not None)


def data_of(cls: type) -> Json:
    """The fields as JSON values."""
    return _strategy(inspect.type_info(cls), 0)


def _strategy(info: inspect.Type, depth: int) -> Json:
    if isinstance(info, inspect.Metadata):
        return _strategy(info.type, depth)
    if type(info) in _PLAIN:
        return _PLAIN[type(info)]
    make = _MAKERS.get(type(info))
    if make is None or depth > MAX_DEPTH:
        raise TypeError(f"no values are known for {info}")
    return make(info, depth)


def _whole(info: Any, depth: int) -> Json:
    low = info.ge if info.ge is not None else info.gt + 1 if info.gt is not None else None
    high = info.le if info.le is not None else info.lt - 1 if info.lt is not None else None
    step = info.multiple_of or 1
    if low is None:
        low = -LARGE if high is None else min(-LARGE, high)
    if high is None:
        high = max(LARGE, low)
    numbers: st.SearchStrategy[int] = st.integers(-(-low // step), high // step)
    return numbers.map(lambda number: number * step)


def _real(info: Any, depth: int) -> Json:
    if info.multiple_of is not None:
        return st.integers(-1_000, 1_000).map(lambda number: number * info.multiple_of)
    low, high = info.ge if info.ge is not None else info.gt, info.le if info.le is not None else info.lt
    return st.floats(
        min_value=-float(LARGE) if low is None and (high is None or high > -LARGE) else low,
        max_value=float(LARGE) if high is None and (low is None or low < LARGE) else high,
        exclude_min=info.gt is not None and info.ge is None,
        exclude_max=info.lt is not None and info.le is None,
        allow_nan=False,
        allow_infinity=False,
    )


def _text(info: Any, depth: int) -> Json:
    if info.pattern is not None:
        pattern: str = info.pattern
        return st.from_regex(pattern)
    longest = 20 if info.max_length is None else min(info.max_length, max(20, info.min_length or 0))
    letters = st.characters(exclude_categories=["Cs"])
    return st.text(letters, min_size=info.min_length or 0, max_size=max(longest, info.min_length or 0))


def _items(info: Any, depth: int) -> Json:
    fewest = info.min_length or 0
    most = max(fewest, MAX_ITEMS if info.max_length is None else min(MAX_ITEMS, info.max_length))
    try:
        item = _strategy(info.item_type, depth + 1)
    except TypeError:
        if fewest:
            raise
        return st.just([])
    is_set = isinstance(info, inspect.SetType | inspect.FrozenSetType)
    return st.lists(item, min_size=fewest, max_size=most, unique_by=msgspec.json.encode if is_set else None)


def _pairs(info: Any, depth: int) -> Json:
    try:
        keys, values = _strategy(info.key_type, depth + 1).map(_as_key), _strategy(info.value_type, depth + 1)
    except TypeError:
        return st.just({})
    fewest = info.min_length or 0
    return st.dictionaries(keys, values, min_size=fewest, max_size=max(fewest, MAX_ITEMS))


def _as_key(value: object) -> str:
    return value if isinstance(value, str) else msgspec.json.encode(value).decode()


def _one_of(info: Any, depth: int) -> Json:
    found: list[Json] = []
    for kind in info.types:
        try:
            found.append(_strategy(kind, depth))
        except TypeError:
            continue
    if not found:
        raise TypeError(f"no values are known for {info}")
    return st.one_of(found)


def _fields(info: Any, depth: int) -> Json:
    required = {field.encode_name: _strategy(field.type, depth + 1) for field in info.fields if field.required}
    optional: dict[str, Json] = {}
    for field in info.fields:
        if not field.required:
            try:
                optional[field.encode_name] = _strategy(field.type, depth + 1)
            except TypeError:
                continue
    tag = getattr(info, "tag_field", None)
    if tag:
        required[tag] = st.just(info.tag)
    return st.fixed_dictionaries(required, optional=optional)


def _in_order(types: list[inspect.Type], depth: int) -> Json:
    return st.tuples(*[_strategy(kind, depth + 1) for kind in types]).map(list)


_MOMENTS = st.datetimes(FIRST, LAST, timezones=st.just(UTC))
_BYTES = st.binary(max_size=20).map(lambda raw: base64.b64encode(raw).decode())
_PLAIN: Mapping[type[inspect.Type], Json] = {
    inspect.NoneType: st.none(),
    inspect.AnyType: st.one_of(st.none(), st.booleans(), st.integers(-LARGE, LARGE), st.text(max_size=20)),
    inspect.BoolType: st.booleans(),
    inspect.BytesType: _BYTES,
    inspect.ByteArrayType: _BYTES,
    inspect.MemoryViewType: _BYTES,
    inspect.DateTimeType: _MOMENTS.map(datetime.isoformat),
    inspect.TimeType: _MOMENTS.map(lambda moment: moment.timetz().isoformat()),
    inspect.DateType: _MOMENTS.map(lambda moment: moment.date().isoformat()),
    inspect.TimeDeltaType: st.integers(0, 10**7).map(lambda seconds: f"PT{seconds}S"),
    inspect.UUIDType: st.uuids().map(str),
    inspect.DecimalType: st.decimals(-LARGE, LARGE, places=2).map(str),
}
_MAKERS: Mapping[type[inspect.Type], Callable[[Any, int], Json]] = {
    inspect.IntType: _whole,
    inspect.FloatType: _real,
    inspect.StrType: _text,
    inspect.LiteralType: lambda info, depth: st.sampled_from(list(info.values)),
    inspect.EnumType: lambda info, depth: st.sampled_from([member.value for member in info.cls]),
    inspect.ListType: _items,
    inspect.SetType: _items,
    inspect.FrozenSetType: _items,
    inspect.CollectionType: _items,
    inspect.VarTupleType: _items,
    inspect.TupleType: lambda info, depth: _in_order(list(info.item_types), depth),
    inspect.DictType: _pairs,
    inspect.UnionType: _one_of,
    inspect.StructType: _fields,
    inspect.DataclassType: _fields,
    inspect.TypedDictType: _fields,
    inspect.NamedTupleType: lambda info, depth: _in_order([field.type for field in info.fields], depth),
}
