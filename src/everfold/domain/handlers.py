"""``@decide`` and ``@evolve``: marks on methods, and how the handled type is read from the signature.

A handler is chosen by the annotated type of its second parameter. Used when a class is made, never under load.
"""

from __future__ import annotations

import inspect
import types
import typing
from collections.abc import Callable, Generator, Mapping
from typing import TYPE_CHECKING, Any, TypeAlias, TypeVar

from everfold.domain.annotations import evaluate
from everfold.errors import DefinitionError

if TYPE_CHECKING:
    from typing_extensions import TypeVar as DefaultTypeVar

    R = DefaultTypeVar("R", default=None)
else:
    R = TypeVar("R")

__all__ = ["Events", "decide", "evolve", "handled_types", "mark_of", "resolve_annotation"]

F = TypeVar("F", bound=Callable[..., Any])
MARK = "__everfold_handler__"

Events: TypeAlias = Generator[object, None, R]
"""What a decision returns: it yields events and may return a reply, as in ``Events[str]``."""


def decide(method: F) -> F:
    """Mark a decision: a method from the state and a command to events.

    ``yield`` records a fact and evolves the state at once; ``raise Rejected(...)`` refuses; ``return``
    gives the reply. Nothing is stored unless the whole decision finishes. It must not change the state itself.
    """
    return _marked(method, "decide")


def evolve(method: F) -> F:
    """Mark an evolution: a method that applies one event to the state. It must accept every recorded event."""
    return _marked(method, "evolve")


def _marked(method: F, mark: str) -> F:
    function: object = method
    name = getattr(method, "__qualname__", repr(method))
    if not isinstance(function, types.FunctionType):
        raise DefinitionError(f"@{mark} on {name}: it marks plain methods. Put it on a function of the class.")
    if hasattr(method, MARK):
        raise DefinitionError(f"{name} is marked twice. A method is a decision or an evolution, once.")
    setattr(method, MARK, mark)
    return method


def mark_of(value: object) -> str | None:
    """``decide``, ``evolve``, or None for anything else in a class body."""
    mark = getattr(getattr(value, "__func__", value), MARK, None)  # also of static and class methods
    return mark if isinstance(mark, str) else None


def handled_types(function: Callable[..., Any], names: Mapping[str, object]) -> tuple[type, ...]:
    """The type of the second parameter; of a union, each of its types."""
    where = f"{function.__module__}.{function.__qualname__}"
    parameter = _message_parameter(function, where)
    annotation = resolve_annotation(function, parameter, names)
    annotation = getattr(annotation, "__value__", annotation)  # of an alias made by the `type` statement
    members = typing.get_args(annotation) if is_union(annotation) else (annotation,)
    for member in members:
        if typing.get_origin(member) is not None:
            raise DefinitionError(
                f"{where}: {parameter!r} is annotated with {member!r}. Handlers take plain classes: write "
                f"class Special({member!r}) and handle that."
            )
        if not isinstance(member, type):
            raise DefinitionError(f"{where}: {parameter!r} is annotated with {member!r}, which is not a class.")
    return members


def _message_parameter(function: Callable[..., Any], where: str) -> str:
    """The name of the second parameter; DefinitionError when the method cannot be called with state and message."""
    signature = inspect.signature(function)
    try:
        message = list(signature.bind("state", "message").arguments.items())[1]
    except (TypeError, IndexError):
        message = ("", None)
    if message[1] != "message":
        raise DefinitionError(
            f"{where}{signature} takes something other than a message. Write def {function.__name__}(self, "
            "message: Type), annotated with what it handles."
        )
    return message[0]


def is_union(annotation: object) -> bool:
    """Whether the annotation is ``A | B``."""
    return typing.get_origin(annotation) in (typing.Union, types.UnionType)


def resolve_annotation(function: Callable[..., Any], parameter: str, names: Mapping[str, object]) -> Any:
    """The annotation of one parameter as an object, evaluated where the function was written."""
    where = f"{function.__module__}.{function.__qualname__}"
    written = inspect.unwrap(function)
    raw = written.__annotations__.get(parameter)
    if raw is None:
        raise DefinitionError(f"{where}: the parameter {parameter!r} has no type. Annotate it with what it handles.")
    try:
        annotation = evaluate(raw, written.__globals__, names)
    except Exception as error:
        raise DefinitionError(
            f"{where}: the type {raw!r} of {parameter!r} is not known here ({error}). Define or import it above, "
            "and not only for type checkers."
        ) from error
    return annotation.__origin__ if hasattr(annotation, "__metadata__") else annotation
