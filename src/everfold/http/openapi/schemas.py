"""The JSON Schemas (2020-12) of all types that requests and replies are made of. Used by ``document``.

msgspec makes them; here they are completed: formats that it leaves out, classes that it does not know, and what
requests may say that replies never do (a decimal as a JSON number).
"""

from __future__ import annotations

import copy
import inspect
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import msgspec
from msgspec import inspect as types

from everfold.domain.shape import is_pydantic, walk

__all__ = ["REF", "Schemas"]

REF = "#/components/schemas/"
DECIMAL = r"^[+-]?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d{1,3})?$"
_NAMED = (types.StructType, types.DataclassType, types.TypedDictType, types.NamedTupleType)
Schema = dict[str, Any]


class Schemas:
    """The schemas of these types: where they are taken (requests), and where they are given (replies)."""

    def __init__(self, taken: Sequence[Any], given: Sequence[Any]) -> None:
        hook = _Hook()
        every = [_describable(kind, hook) for kind in (*taken, *given)]
        named = _named_types(every)
        schemas, found = msgspec.json.schema_components(
            [*every, *[info.cls for info in named]], schema_hook=hook, ref_template=REF + "{name}"
        )
        for kind, schema in zip(every, schemas, strict=False):
            _complete(types.type_info(kind), schema)
        for info, schema in zip(named, schemas[len(every) :], strict=True):
            _complete_fields(info, found[schema["$ref"].removeprefix(REF)])
        found |= hook.found
        split = len(taken)
        variants = _Variants(found, schemas[:split], schemas[split : len(every)])
        self._taken = {id(kind): variants.as_taken(schema) for kind, schema in zip(taken, schemas, strict=False)}
        self._given = {id(kind): schema for kind, schema in zip(given, schemas[split:], strict=False)}
        self.components: dict[str, Schema] = {name: _tidy(schema) for name, schema in sorted(variants.found.items())}

    def taken(self, kind: Any) -> Schema:
        """What a request has to say where this type is asked for."""
        return _tidy(copy.deepcopy(self._taken[id(kind)]))

    def given(self, kind: Any) -> Schema:
        """What a reply says where this type is told."""
        return _tidy(copy.deepcopy(self._given[id(kind)]))


class _Hook:
    """Describes the classes that msgspec does not know: pydantic models, and whole numbers and text of our own."""

    def __init__(self) -> None:
        self.found: dict[str, Schema] = {}

    def __call__(self, cls: Any) -> Schema:
        if is_pydantic(cls):
            schema: Schema = cls.model_json_schema(ref_template=REF + "{model}", mode="serialization")
            self.found |= schema.pop("$defs", {})
            return schema
        plain = next((name for kind, name in ((int, "integer"), (str, "string")) if issubclass(cls, kind)), None)
        return {"type": plain} if plain else {"title": cls.__name__}


def _describable(kind: Any, hook: _Hook) -> Any:
    """The type, or Any when nothing can be said about it: one type must not keep all others from being described."""
    try:
        msgspec.json.schema_components([kind], schema_hook=hook)
    except (TypeError, NameError):
        return Any
    return kind


def _named_types(every: Iterable[Any]) -> list[Any]:
    found: dict[Any, Any] = {}
    for kind in every:
        for node in walk(types.type_info(kind)):
            if isinstance(node, _NAMED):
                found.setdefault(node.cls, node)
    return list(found.values())


def _complete_fields(info: Any, schema: Schema) -> None:
    described = schema.get("properties")
    if described is None:  # told as an array
        for field, part in zip(info.fields, schema.get("prefixItems", ()), strict=False):
            _complete(field.type, part)
    else:
        for field in info.fields:
            _complete(field.type, described[getattr(field, "encode_name", field.name)])


def _complete(info: Any, schema: Schema) -> None:
    """Say which text is a time: msgspec does so only for types that name a time zone."""
    while isinstance(info, types.Metadata):
        info = info.type
    if "$ref" in schema:
        return
    if isinstance(info, types.DateTimeType):
        schema.setdefault("format", "date-time")
    elif isinstance(info, types.TimeType):
        schema.setdefault("format", "time")
    else:
        for part, described in _parts(info, schema):
            _complete(part, described)


def _parts(info: Any, schema: Schema) -> Iterator[tuple[Any, Schema]]:
    if isinstance(info, types.CollectionType) and "items" in schema:
        yield info.item_type, schema["items"]
    elif isinstance(info, types.TupleType):
        yield from zip(info.item_types, schema.get("prefixItems", ()), strict=False)
    elif isinstance(info, types.DictType) and "additionalProperties" in schema:
        yield info.value_type, schema["additionalProperties"]
    elif isinstance(info, types.UnionType):  # structs stand behind the others, as references
        yield from zip([part for part in info.types if not _stands_last(part)], schema["anyOf"], strict=False)


def _stands_last(info: types.Type) -> bool:
    while isinstance(info, types.Metadata):
        info = info.type
    return isinstance(info, types.NoneType) or (isinstance(info, types.StructType) and not info.array_like)


class _Variants:
    """The components, of which some come in two: as requests may write them, and as replies are written."""

    def __init__(self, found: Mapping[str, Schema], taken: Iterable[Schema], given: Iterable[Schema]) -> None:
        self.found = dict(found)
        in_requests, in_replies = _reached(taken, found), _reached(given, found)
        lenient = {name for name in in_requests if _has_decimals(found, name)}
        self._renamed = {REF + name: f"{REF}{name}Input" for name in lenient & in_replies}
        for name in lenient:
            self.found[self._renamed.get(REF + name, name).removeprefix(REF)] = self.as_taken(found[name])

    def as_taken(self, schema: Any) -> Any:
        """The schema with decimals as requests may write them."""
        if isinstance(schema, list):
            return [self.as_taken(part) for part in _list(schema)]
        if isinstance(schema, str):
            return self._renamed.get(schema, schema)
        if not isinstance(schema, dict):
            return schema
        relaxed = {name: self.as_taken(part) for name, part in _dict(schema).items()}
        if relaxed.get("format") == "decimal" and relaxed.get("type") == "string":
            relaxed |= {"type": ["string", "number"], "pattern": DECIMAL}
        return relaxed


def _reached(schemas: Iterable[Any], found: Mapping[str, Schema]) -> set[str]:
    names: set[str] = set()
    pending = [*schemas]
    while pending:
        for part in _nodes(pending.pop()):
            name = part.get("$ref", "").removeprefix(REF)
            if name in found and name not in names:
                names.add(name)
                pending.append(found[name])
    return names


def _has_decimals(found: Mapping[str, Schema], name: str) -> bool:
    schemas = [found[each] for each in (name, *_reached([found[name]], found))]
    return any(part.get("format") == "decimal" for schema in schemas for part in _nodes(schema))


def _nodes(schema: Any) -> Iterator[Schema]:
    if isinstance(schema, dict):
        node = _dict(schema)
        yield node if isinstance(node.get("$ref", ""), str) else {}
        for part in node.values():
            yield from _nodes(part)
    elif isinstance(schema, list):
        for part in _list(schema):
            yield from _nodes(part)


def _tidy(schema: Schema) -> Schema:
    if isinstance(schema.get("description"), str):
        schema["description"] = inspect.cleandoc(schema["description"])
    return schema


def _dict(value: Any) -> dict[str, Any]:
    return value  # type: ignore[no-any-return]


def _list(value: Any) -> list[Any]:
    return value  # type: ignore[no-any-return]
