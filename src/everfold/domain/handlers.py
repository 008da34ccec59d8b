"""``@decide``, ``@evolve``, ``@project``, ``@answer``: marks on methods, and how the handled type is read from them.

A handler is chosen by the annotated type of its second parameter. Used when a class is made, never under load.
"""

from __future__ import annotations

import inspect
import types
import typing
from collections.abc import Callable, Generator, Mapping
from typing import TYPE_CHECKING, Any, TypeAlias, TypeVar, overload

from everfold.domain.annotations import evaluate
from everfold.errors import DefinitionError

if TYPE_CHECKING:
    from typing_extensions import TypeVar as DefaultTypeVar

    R = DefaultTypeVar("R", default=None)
else:
    R = TypeVar("R")

__all__ = [
    "Events",
    "answer",
    "decide",
    "evolve",
    "handled_types",
    "is_cached",
    "mark_of",
    "project",
    "resolve_annotation",
    "wants_record",
]

F = TypeVar("F", bound=Callable[..., Any])
MARK = "__everfold_handler__"
CACHED = "__everfold_cached__"

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


def project(method: F) -> F:
    """Mark a method of a projection that applies one event to its tables.

    It takes the event, and after it the record if it wants to know the stream, position, time or metadata.
    """
    return _marked(method, "project")


@overload
def answer(method: F, /) -> F: ...
@overload
def answer(*, cached: bool) -> Callable[[F], F]: ...
def answer(method: F | None = None, /, *, cached: bool = False) -> F | Callable[[F], F]:
    """Mark a method of a projection that answers one query from its tables. It changes nothing.

    ``@answer(cached=True)``: an answer is kept, and given again to an equal query, until the tables change. Only for
    answers that depend on nothing but the query and the tables.
    """
    if method is not None:
        return _marked(method, "answer")

    def mark(function: F) -> F:
        marked = _marked(function, "answer")
        setattr(marked, CACHED, cached)
        return marked

    return mark


def is_cached(function: Callable[..., Any]) -> bool:
    """Whether an answer was declared ``cached=True``."""
    return bool(getattr(function, CACHED, False))


def _marked(method: F, mark: str) -> F:
    function: object = method
    name = getattr(method, "__qualname__", repr(method))
    if not isinstance(function, types.FunctionType):
        raise DefinitionError(f"@{mark} on {name}: it marks plain methods. Put it on a function of the class.")
    if hasattr(method, MARK):
        raise DefinitionError(f"{name} is marked twice. A method handles one kind of message.")
    setattr(method, MARK, mark)
    return method


def mark_of(value: object) -> str | None:
    """The name of the decorator of a handler; None for anything else in a class body."""
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


def wants_record(function: Callable[..., Any]) -> bool:
    """Whether a ``@project`` method takes the record after the event."""
    try:
        inspect.signature(function).bind("self", "event", "record")
    except TypeError:
        return False
    return True


def _message_parameter(function: Callable[..., Any], where: str) -> str:
    """The name of the second parameter; DefinitionError when the method cannot be called with state and message."""
    signature = inspect.signature(function)
    given = ("self", "message", "record") if mark_of(function) == "project" and wants_record(function) else ()
    try:
        message = list(signature.bind(*given or ("self", "message")).arguments.items())[1]
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
