"""What aggregates and decision models have in common: state with decisions and evolutions, checked when made."""

from __future__ import annotations

import inspect
import types
from collections.abc import Callable, Mapping
from typing import Any, ClassVar, Unpack, dataclass_transform

import msgspec

from everfold.domain.annotations import settle_fields
from everfold.domain.class_keywords import StructOptions, make_class, place_in, place_of
from everfold.domain.handlers import handled_types, mark_of
from everfold.domain.message import check_fields, message_definition
from everfold.domain.named_events import events_named_in
from everfold.errors import DefinitionError, InvalidName
from everfold.identifiers import check_category, snake

__all__ = ["Handlers", "State", "StateMeta", "category_for", "check_defaults", "collect_handlers"]

Handlers = dict[type, Callable[[Any, Any], Any]]


class Body(dict[str, Any]):
    """The body of a state class while it is read; it refuses a second method under the name of a handler."""

    def __setitem__(self, name: str, value: Any) -> None:
        """Set a name of the class."""
        if mark_of(self.get(name)) is not None:
            raise DefinitionError(
                f"{place_in(self, 'The class')} defines {name!r} twice, so that the first would be lost. "
                "Give every handler a name of its own."
            )
        super().__setitem__(name, value)


class StateMeta(msgspec.StructMeta):
    """Makes state classes: mutable, keyword-only structs."""

    KEYWORDS: ClassVar[tuple[str, ...]] = ("category",)

    @classmethod
    def __prepare__(cls, name: str, bases: tuple[type, ...], /, **keywords: Any) -> Body:
        """What the class body is read into."""
        return Body()

    def __new__(
        metacls, class_name: str, bases: tuple[type, ...], namespace: dict[str, Any], **options: Unpack[StructOptions]
    ) -> Any:
        """Make the class."""
        where = place_in(namespace, class_name)
        make = super().__new__
        config: Any = {"kw_only": True, **options}
        body = dict(namespace)
        return make_class(lambda: make(metacls, class_name, bases, body, **config), where, options, metacls.KEYWORDS)


@dataclass_transform(kw_only_default=True, field_specifiers=(msgspec.field,))
class State(msgspec.Struct, metaclass=StateMeta):
    """The root of aggregates and decision models."""


def category_for(cls: type, category: str | None) -> str:
    """The category given, or else the class name in snake case; DefinitionError when it breaks the rules."""
    try:
        return check_category(snake(cls.__name__) if category is None else category)
    except (InvalidName, TypeError) as error:
        raise DefinitionError(f"{place_of(cls)}: {error} Give another with category=.") from error


def check_defaults(cls: type, given: frozenset[str] = frozenset()) -> None:
    """DefinitionError when a field has no default, except those that are ``given``."""
    for field in msgspec.structs.fields(cls):
        if field.required and field.name not in given:
            raise DefinitionError(
                f"{place_of(cls)}: the field {field.name!r} needs a default, which it has before the first event."
            )


def collect_handlers(cls: type, names: Mapping[str, object]) -> tuple[Handlers, Handlers]:
    """The decisions by command and the evolutions by event; DefinitionError for what cannot work.

    ``names``: what is visible around the class beside its module. A method of a subclass replaces the handler of
    the same name, and a handler of the same type.
    """
    body = dict(vars(cls))
    nested = {name: value for name, value in body.items() if isinstance(value, type)}
    names = {cls.__name__: cls, **names, **nested}
    settle_fields(cls, names)
    check_fields(cls)
    decisions, evolutions = _inherited(cls, "decisions"), _inherited(cls, "evolutions")
    decisions |= _own(cls, "decide", "command", names)
    evolutions |= _own(cls, "evolve", "event", names)
    for function in decisions.values():
        for kind in events_named_in(function, cls, names):
            if kind not in evolutions:
                raise DefinitionError(
                    f"{place_of(cls)}: the decision {function.__name__!r} names {kind.__qualname__}, but there is no "
                    "@evolve for it. Add one (it may be empty), so that replay knows what the event does."
                )
    return decisions, evolutions


def _inherited(cls: type, field: str) -> Handlers:
    """The handlers of the bases, without those whose method this class has replaced."""
    found: Handlers = {}
    for base in reversed(cls.__mro__[1:]):
        handlers: Handlers = getattr(vars(base).get("__everfold__"), field, {})
        found |= handlers
    own = vars(cls)
    for function in found.values():
        if function.__name__ in own and mark_of(own[function.__name__]) is None:
            raise DefinitionError(
                f"{place_of(cls)}.{function.__name__} replaces the handler {function.__qualname__} and is none itself. "
                "Decorate it too, or give it another name."
            )
    return {handled: function for handled, function in found.items() if function.__name__ not in own}


def _own(cls: type, mark: str, kind: str, names: Mapping[str, object]) -> Handlers:
    found: Handlers = {}
    for name, value in vars(cls).items():
        if mark_of(value) != mark:
            continue
        where = f"{place_of(cls)}.{name}"
        if not isinstance(value, types.FunctionType):
            raise DefinitionError(f"{where} is a {type(value).__name__}. Decisions and evolutions are plain methods.")
        _check_synchronous(value, where)
        for handled in handled_types(value, names):
            _check_kind(handled, kind, where)
            if handled in found:
                word = "decisions" if mark == "decide" else "evolutions"
                raise DefinitionError(
                    f"{place_of(cls)} has two {word} for {handled.__qualname__}: {found[handled].__name__} and {name}. "
                    "Keep one."
                )
            found[handled] = value
    return found


def _check_synchronous(function: Callable[..., Any], where: str) -> None:
    written = inspect.unwrap(function)
    if inspect.iscoroutinefunction(written) or inspect.isasyncgenfunction(written):
        raise DefinitionError(
            f"{where} is async. Decisions and evolutions are pure: use a function with @app.handles for what needs I/O."
        )
    if mark_of(function) == "evolve" and inspect.isgeneratorfunction(written):
        raise DefinitionError(f"{where} yields. Only decisions yield events; an evolution changes the state.")


def _check_kind(handled: type, kind: str, where: str) -> None:
    definition = message_definition(handled)
    if definition is None or definition.kind != kind:
        hint = "Subclass Event, or decorate it with @event." if kind == "event" else "Subclass Command."
        raise DefinitionError(f"{where}: {handled.__qualname__} is not a registered {kind}. {hint}")
