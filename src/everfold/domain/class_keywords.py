"""The keywords of a class statement, as in ``class OrderPlaced(Event, version=2)``: which there are, and what fails.

Used by the metaclasses of messages and states.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any, Literal, TypedDict, TypeVar

from everfold.errors import DefinitionError

__all__ = ["StructOptions", "make_class", "place_in", "place_of", "refuse_keywords"]

T = TypeVar("T")


class StructOptions(TypedDict, total=False):
    """The options of ``msgspec.Struct`` that every message and state may set; the others are settled."""

    rename: Literal["lower", "upper", "camel", "pascal", "kebab"] | Callable[[str], str | None] | Mapping[str, str]
    """How fields are named when stored."""
    eq: bool
    order: bool
    repr_omit_defaults: bool
    forbid_unknown_fields: bool
    weakref: bool
    gc: bool


def make_class(make: Callable[[], T], where: str, options: Mapping[str, Any], known: Iterable[str]) -> T:
    """Make the class; DefinitionError for an unknown keyword, and for what msgspec refuses."""
    refuse_keywords(options.keys() - StructOptions.__annotations__.keys(), where, known)
    try:
        return make()
    except (TypeError, ValueError) as error:
        raise DefinitionError(f"{where}: {error}.") from error


def refuse_keywords(refused: Iterable[str], where: str, known: Iterable[str]) -> None:
    """DefinitionError when there are any."""
    names = ", ".join(f"{name}=" for name in sorted(refused))
    if names:
        there_are = ", ".join(f"{name}=" for name in (*known, *StructOptions.__annotations__))
        raise DefinitionError(f"{where}: the class keyword {names} does not exist here. There are: {there_are}.")


def place_in(namespace: Mapping[str, object], class_name: str) -> str:
    """Where a class is whose body this is, before it is made."""
    return f"{namespace.get('__module__')}.{namespace.get('__qualname__', class_name)}"


def place_of(cls: type) -> str:
    """Where the class is, for error messages: ``shop.orders.OrderPlaced``."""
    return f"{cls.__module__}.{cls.__qualname__}"
