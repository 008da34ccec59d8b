"""How commands and queries are read from requests: fields from the path, the query string and a JSON body.

Made once for each message and route. Every field has the type that the message declares, and none is let in that it
does not have. Used by the routes of commands and queries.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import msgspec
from msgspec import inspect

from everfold.domain.message import message_definition
from everfold.errors import InvalidMessage, MalformedRequest

__all__ = ["MessageReader"]

NESTED_TOO_DEEPLY = "The body is nested too deeply."


class MessageReader:
    """Reads one kind of message from requests to one route."""

    def __init__(self, message: type, path_fields: Iterable[str] = ()) -> None:
        definition = message_definition(message)
        assert definition is not None  # noqa: S101 (the app knows messages only)
        self.message: Any = message
        self.name = definition.name
        fields = msgspec.structs.fields(message)
        taken = set(path_fields)
        self.path_fields = tuple([field for field in fields if field.name in taken])
        self.rest_fields = tuple([field for field in fields if field.name not in taken])
        self.rest: Any = message if not taken else _without(message, self.rest_fields)
        """What is left to be given by body or query string: the message itself, or a struct of fewer fields."""
        self.json_fields = frozenset(field.encode_name for field in self.rest_fields if not _is_plain(field.type))
        """In a query string these are written as JSON: objects, and lists of other things than values."""
        self._lists = {field.encode_name for field in self.rest_fields if _is_list(field.type)} - self.json_fields
        self._decode = msgspec.json.Decoder(self.rest).decode

    def from_body(self, body: bytes, path: Mapping[str, str]) -> Any:
        """Read it from a JSON body; no body is an empty object."""
        try:
            rest = self._decode(body or b"{}")
        except msgspec.ValidationError as error:
            raise InvalidMessage(self.name, f"{error}.") from error
        except RecursionError as error:
            raise MalformedRequest(NESTED_TOO_DEEPLY) from error
        except (msgspec.DecodeError, ValueError) as error:
            raise MalformedRequest(f"The body is no JSON: {error}.") from error
        return self._with_path(rest, path) if self.path_fields else rest

    def from_query_string(self, given: Iterable[tuple[str, str]], path: Mapping[str, str]) -> Any:
        """Read it from ``field=value`` pairs; a list from as many pairs as it has items."""
        values: dict[str, Any] = {}
        for name, value in given:
            if name in self._lists:
                values.setdefault(name, []).append(value)
            elif name in values:
                raise InvalidMessage(self.name, f"it has the field {name!r} twice.")
            else:
                values[name] = self._from_json(name, value) if name in self.json_fields else value
        try:
            rest = msgspec.convert(values, self.rest, strict=False)
        except (msgspec.ValidationError, ValueError, RecursionError) as error:
            raise InvalidMessage(self.name, f"{error}.") from error
        return self._with_path(rest, path) if self.path_fields else rest

    def _from_json(self, name: str, value: str) -> Any:
        try:
            return msgspec.json.decode(value)
        except (msgspec.DecodeError, ValueError, RecursionError) as error:
            raise InvalidMessage(self.name, f"the field {name!r} has to be JSON: {error}.") from error

    def _with_path(self, rest: Any, path: Mapping[str, str]) -> Any:
        values = {field.name: getattr(rest, field.name) for field in self.rest_fields}
        for field in self.path_fields:
            try:
                values[field.name] = msgspec.convert(path[field.name], field.type, strict=False)
            except (msgspec.ValidationError, ValueError) as error:
                raise InvalidMessage(self.name, f"{error} - in the path, at {{{field.name}}}.") from error
        return self.message(**values)


def _without(message: type, fields: Iterable[msgspec.structs.FieldInfo]) -> Any:
    return msgspec.defstruct(
        f"{message.__name__}Body",
        [(field.name, field.type, _default(field)) for field in fields],
        namespace={"__doc__": message.__doc__},
        module=message.__module__,
        rename={field.name: field.encode_name for field in fields},
        forbid_unknown_fields=True,
        frozen=True,
        kw_only=True,
    )


def _default(field: msgspec.structs.FieldInfo) -> Any:
    if field.default is not msgspec.NODEFAULT:
        return field.default
    if field.default_factory is not msgspec.NODEFAULT:
        return msgspec.field(default_factory=field.default_factory)
    return msgspec.NODEFAULT


_COLLECTIONS = (inspect.CollectionType, inspect.TupleType)
_COMPLEX = (
    inspect.AnyType,
    inspect.DictType,
    inspect.StructType,
    inspect.DataclassType,
    inspect.TypedDictType,
    inspect.NamedTupleType,
)


def _choices(info: inspect.Type) -> list[inspect.Type]:
    while isinstance(info, inspect.Metadata):
        info = info.type
    if not isinstance(info, inspect.UnionType):
        return [info]
    return [choice for part in info.types for choice in _choices(part)]


def _is_plain(kind: Any) -> bool:
    """Whether text can say it: a value, or a list of values."""
    for choice in _choices(inspect.type_info(kind)):
        items = _choices(choice.item_type) if isinstance(choice, inspect.CollectionType) else [choice]
        items = (
            [item for each in choice.item_types for item in _choices(each)]
            if isinstance(choice, inspect.TupleType)
            else items
        )
        if any(isinstance(item, _COMPLEX + (_COLLECTIONS if item is not choice else ())) for item in items):
            return False
    return True


def _is_list(kind: Any) -> bool:
    return any(isinstance(choice, _COLLECTIONS) for choice in _choices(inspect.type_info(kind)))
