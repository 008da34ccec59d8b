"""Events: domain facts, typed and named in the past tense. Written by users, stored for ever."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any, ClassVar, TypeVar, cast, overload

import msgspec

from everfold.domain.annotations import names_around, settle_fields
from everfold.domain.class_keywords import place_of
from everfold.domain.message import Message, MessageDefinition, check_fields, define, message_definition
from everfold.errors import DefinitionError

__all__ = ["Event", "event", "event_definition"]

T = TypeVar("T")


class Event(Message, gc=False):
    """A domain fact. Subclass it, with typed fields::

        class MoneyDeposited(Event):                    # stored as "money-deposited", version 1
            amount: int

        class OrderPlaced(Event, name="order-placed", version=2): ...

    The name and version on disk are permanent; rename the class freely, give ``name=`` the old name. Instances
    are immutable and take keyword arguments.
    """

    __kind__: ClassVar[str] = "event"


@overload
def event(cls: type[T], /) -> type[T]: ...
@overload
def event(*, name: str | None = None, version: int = 1) -> Callable[[type[T]], type[T]]: ...
def event(cls: type[T] | None = None, /, *, name: str | None = None, version: int = 1) -> Any:
    """Register a frozen dataclass, attrs class, struct or pydantic model as an event: ``@event(name="paid")``.

    It stands above ``@dataclass`` and the like, because it looks at what they made.
    """
    if cls is not None:
        return _register(cls, names_around(inspect.currentframe()), name, version)

    def register(decorated: type[T]) -> type[T]:
        registered: type[T] = _register(decorated, names_around(inspect.currentframe()), name, version)
        return registered

    return register


def _register(cls: Any, names: dict[str, object], name: str | None, version: int) -> Any:
    if not isinstance(cls, type):
        raise DefinitionError(f"@event decorates classes, and {cls!r} is none. A name is given by name=.")
    _check_frozen(cls)
    settle_fields(cls, names)
    check_fields(cls)
    cast("Any", cls).__everfold__ = define(cls, kind="event", name=name, version=version)
    return cls


def _check_frozen(cls: type) -> None:
    is_frozen = _is_frozen(cls)
    if is_frozen is None:
        raise DefinitionError(
            f"{place_of(cls)} cannot be an event: make it a frozen dataclass, attrs class, struct or pydantic model "
            "(with @event above the other decorators), or a subclass of Event."
        )
    if not is_frozen:
        raise DefinitionError(f"{place_of(cls)} can be changed after it was made. Events are facts: make it frozen.")


def _is_frozen(cls: Any) -> bool | None:
    """Whether instances are immutable; None when the class is of no kind that is known here."""
    if isinstance(cls, msgspec.StructMeta):
        return bool(cls.__struct_config__.frozen)
    if isinstance(config := getattr(cls, "model_config", None), dict):
        return bool(cast("dict[str, object]", config).get("frozen"))
    if hasattr(cls, "__attrs_attrs__"):
        return bool(cls.__setattr__.__name__ == "_frozen_setattrs")
    parameters = getattr(cls, "__dataclass_params__", None)
    return None if parameters is None else bool(parameters.frozen)


def event_definition(cls: type) -> MessageDefinition | None:
    """The name and version of an event class, or None when the class is no event."""
    definition = message_definition(cls)
    return definition if definition and definition.kind == "event" else None
