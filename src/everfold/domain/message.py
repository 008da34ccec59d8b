"""What events, commands and queries have in common: a typed, immutable struct with a permanent name.

``class AccountOpened(Event, name="account-opened", version=2)``: the class keywords are kept apart from
msgspec's own, and checked when the class is made. Used by ``event``, ``command`` and ``query``.
"""

from __future__ import annotations

import inspect
import re
from typing import Any, ClassVar, Unpack, dataclass_transform

import msgspec

from everfold.domain.annotations import names_around, settle_fields
from everfold.domain.class_keywords import StructOptions, make_class, place_in, place_of, refuse_keywords
from everfold.domain.shape import field_problems
from everfold.errors import DefinitionError
from everfold.identifiers import kebab

__all__ = ["Message", "MessageDefinition", "MessageMeta", "check_fields", "define", "message_definition", "name_of"]

MAX_VERSION = 1_000_000
_NAME = re.compile(r"[\w.:+~@$=-]{1,100}")
_ROUTE = re.compile(r"(?:GET|POST|PUT|PATCH|DELETE) /[^\s?#]*")
_PATH_PARAMETER = re.compile(r"{([^{}]*)}")
_KEYWORDS = {"event": ("name", "version")}
_OTHER_KEYWORDS = ("name", "route")


class MessageDefinition(msgspec.Struct, frozen=True):
    """What the class keywords of a message say."""

    kind: str
    """``event``, ``command`` or ``query``."""
    name: str
    """The permanent name on disk and in URLs: kebab case, from the class name unless given."""
    version: int
    """The version of the shape (events)."""
    route: str | None
    """An HTTP route of its own, such as ``POST /products`` (commands and queries)."""


class MessageMeta(msgspec.StructMeta):
    """Makes message classes: frozen, keyword-only structs that know their definition."""

    def __new__(
        metacls,
        class_name: str,
        bases: tuple[type, ...],
        namespace: dict[str, Any],
        *,
        name: str | None = None,
        version: int | None = None,
        route: str | None = None,
        frozen: bool = True,
        **options: Unpack[StructOptions],
    ) -> Any:
        """Make the class and check what can be checked now."""
        where = place_in(namespace, class_name)
        kind: str = next((getattr(base, "__kind__", "") for base in bases if isinstance(base, MessageMeta)), "")
        known = _KEYWORDS.get(kind, _OTHER_KEYWORDS)
        given = {"name": name, "version": version, "route": route, "frozen": None if frozen is True else False}
        refuse_keywords({key for key, value in given.items() if value is not None} - {*known}, where, known)
        make = super().__new__
        config: Any = {"frozen": True, "kw_only": True, **options}
        cls: Any = make_class(lambda: make(metacls, class_name, bases, namespace, **config), where, options, known)
        if kind and "__kind__" not in namespace:
            settle_fields(cls, names_around(inspect.currentframe()))
            cls.__everfold__ = define(cls, kind=kind, name=name, version=version, route=route)
            check_fields(cls)
        return cls


@dataclass_transform(frozen_default=True, kw_only_default=True, field_specifiers=(msgspec.field,))
class Message(msgspec.Struct, metaclass=MessageMeta, frozen=True):
    """The root of events, commands and queries. Frozen by its metaclass; type checkers want to read it here too."""

    __kind__: ClassVar[str] = ""


def define(cls: type, *, kind: str, name: object, version: object = None, route: object = None) -> MessageDefinition:
    """The definition of a message class; DefinitionError when its keywords make no sense."""
    where = place_of(cls)
    if name is None:
        name = kebab(cls.__name__)
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        raise DefinitionError(
            f"{where}: name={name!r} cannot be a permanent name. Use 1 to 100 letters, digits, - . _ : or +, "
            "best in kebab case, as in 'order-placed'."
        )
    version = 1 if version is None else version
    if type(version) is not int or not 1 <= version <= MAX_VERSION:
        raise DefinitionError(f"{where}: version={version!r} is not a whole number from 1 to {MAX_VERSION:,}.")
    return MessageDefinition(kind, name, version, None if route is None else _checked_route(cls, route))


def _checked_route(cls: Any, route: object) -> str:
    if not isinstance(route, str) or not _ROUTE.fullmatch(route):
        raise DefinitionError(
            f"{place_of(cls)}: route={route!r} is no route. Write a method and a path, as in 'PUT "
            f"/orders/{{order_id}}'."
        )
    unknown = [name for name in _PATH_PARAMETER.findall(route) if name not in cls.__struct_fields__]
    if unknown:
        raise DefinitionError(f"{place_of(cls)}: route={route!r} names {', '.join(unknown)}, which is no field of it.")
    return route


def check_fields(cls: type) -> None:
    """DefinitionError when a field's type cannot be stored as JSON and read back."""
    problems = field_problems(cls)
    if problems:
        raise DefinitionError(
            f"{place_of(cls)}: {'; '.join(problems)}. Use plain types, structs, dataclasses, enums, Decimal, UUID, "
            "dates, or lists and dicts of those."
        )


def name_of(message: object) -> str:
    """The permanent name of a message; of anything else, that of its class."""
    definition = message_definition(type(message))
    return definition.name if definition else type(message).__qualname__


def message_definition(cls: type) -> MessageDefinition | None:
    """The definition of this very class, or None when it is no message."""
    definition = cls.__dict__.get("__everfold__")
    return definition if isinstance(definition, MessageDefinition) else None
