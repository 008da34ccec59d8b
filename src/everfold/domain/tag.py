"""Tags: what a record is about, beyond its stream. Declared on fields, read from values.

``CourseId = Annotated[str, Tag("course")]``: an event with a field of this type carries the tag
``course:<value>``. Decision models find their boundary by them.
"""

from __future__ import annotations

import re
import typing
from collections.abc import Callable, Iterable, Iterator, Mapping
from enum import Enum
from operator import attrgetter
from typing import Any

import msgspec

from everfold.domain.annotations import field_hints
from everfold.domain.class_keywords import place_of
from everfold.errors import DefinitionError, InvalidName
from everfold.identifiers import MAX_TEXT, check_text

__all__ = ["Tag", "TagField", "tag_fields", "tag_reader", "tag_text"]

_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_.-]{0,59}", re.ASCII)


class Tag(msgspec.Struct, frozen=True):
    """The mark in ``Annotated[str, Tag("course")]``. A field may also be a list or tuple of such values, or None."""

    name: str

    def __post_init__(self) -> None:
        name: Any = self.name
        if not isinstance(name, str) or not _NAME.fullmatch(name):
            raise DefinitionError(
                f"Tag({name!r}): the name of a tag begins with a letter and has up to 60 letters, digits, _ . or -."
            )


class TagField(msgspec.Struct, frozen=True):
    """A field of a class that carries a tag."""

    field: str
    tag: str
    is_many: bool


def tag_text(name: str, value: object) -> str:
    """``course:c1``; InvalidName for empty, overlong or control-character values."""
    text = value if type(value) is str else str(value.value if isinstance(value, Enum) else value)
    tag = f"{name}:{text}"
    if text and len(tag) <= MAX_TEXT and tag.isprintable():
        return tag
    if not text:
        raise InvalidName(f"The value of the tag {name!r} is empty. Give the thing an id, or leave it None.")
    return check_text(tag, "a tag")


def tag_fields(cls: type) -> tuple[TagField, ...]:
    """The tagged fields of a class, in the order of their declaration. DefinitionError for what cannot be read."""
    try:
        hints = field_hints(cls)
    except NameError as error:
        raise DefinitionError(f"{place_of(cls)}: {error}. Define or import it above the class.") from error
    return tuple(found for field, hint in hints.items() if (found := _tag_field(cls, field, hint)))


def _tag_field(cls: type, field: str, hint: object) -> TagField | None:
    found = list(_tags_in(hint, many=False))
    if not found:
        return None
    if len(found) > 1:
        raise DefinitionError(f"{place_of(cls)}: the field {field!r} carries {len(found)} tags. Give it one.")
    tag, is_many = found[0]
    if is_many is None:
        raise DefinitionError(
            f"{place_of(cls)}: the tag {tag.name!r} is too deep inside the field {field!r}. Tag a single value, or the "
            "elements of a list, tuple or set."
        )
    return TagField(field, tag.name, is_many)


def _tags_in(hint: Any, *, many: bool | None) -> Iterator[tuple[Tag, bool | None]]:
    """The tags within a type, each with whether it is on the elements of a collection; None: deeper than that."""
    hint = getattr(hint, "__value__", getattr(hint, "__supertype__", hint))  # of `type` statements and NewType
    origin = typing.get_origin(hint)
    arguments: tuple[Any, ...] = typing.get_args(hint)
    if origin is typing.Annotated:
        marks = [mark for mark in hint.__metadata__ if isinstance(mark, Tag)]
        is_elements = _is_collection(typing.get_origin(arguments[0]) or arguments[0])
        yield from ((mark, (True if many is False else None) if is_elements else many) for mark in marks)
        yield from _tags_in(arguments[0], many=many)
    elif _is_iterable(origin):
        deeper = True if many is False and _is_collection(origin) else None
        for argument in arguments:
            yield from _tags_in(argument, many=deeper)
    else:
        for argument in arguments:
            yield from _tags_in(argument, many=many)


def _is_iterable(origin: object) -> bool:
    return isinstance(origin, type) and issubclass(origin, Iterable)


def _is_collection(origin: object) -> bool:
    return _is_iterable(origin) and not issubclass(typing.cast("type", origin), str | bytes | Mapping)


def tag_reader(fields: tuple[TagField, ...]) -> Callable[[object], tuple[str, ...]] | None:
    """A function from instance to tags, each once, or None when the class has no tagged field.

    None gives no tag, and a collection one for every different element.
    """
    if not fields:
        return None
    readers = [(attrgetter(field.field), field.tag, field.is_many) for field in fields]

    def read(value: object) -> tuple[str, ...]:
        tags: list[str] = []
        for get, name, is_many in readers:
            held = get(value)
            if held is None:
                continue
            if is_many:
                tags += [tag_text(name, item) for item in held if item is not None]
            else:
                tags.append(tag_text(name, held))
        return tuple(dict.fromkeys(tags)) if len(tags) > 1 else tuple(tags)

    return read
