"""Gives function handlers what their parameters ask for by type: repositories, services, the event store."""

from __future__ import annotations

import copy
import inspect
import typing
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from everfold.domain.handlers import resolve_annotation
from everfold.errors import DefinitionError
from everfold.store.repository import Repository
from everfold.store.unit_of_work import UnitOfWork

__all__ = ["FunctionHandler", "Services"]

Provider = Callable[[UnitOfWork], Any]


class Services:
    """What the application offers to its handlers, found by type."""

    def __init__(self, services: Sequence[object] | Mapping[type, object] = ()) -> None:
        """Instances, each found by its class and the classes above it; or a mapping from type to instance."""
        self._by_type = dict(services) if isinstance(services, Mapping) else {}
        self._instances = () if isinstance(services, Mapping) else tuple(services)

    def add(self, kind: type, instance: object) -> None:
        """Offer an instance under exactly this type."""
        self._by_type[kind] = instance

    def replacing(self, kind: type, instance: object) -> Services:
        """The same services with another instance under this type."""
        other = copy.copy(self)
        other._by_type = {**self._by_type, kind: instance}
        return other

    def find(self, kind: Any, asker: str) -> object:
        """The service of this type; DefinitionError when there is none, or more than one."""
        if kind in self._by_type:
            return self._by_type[kind]
        found = [instance for instance in self._instances if _is_a(instance, kind)]
        if len(found) == 1:
            return found[0]
        problem = "no service of that type" if not found else f"{len(found)} services of that type"
        raise DefinitionError(
            f"{asker} asks for {getattr(kind, '__qualname__', kind)}, and the app has {problem}. Give one with "
            "App(services=[...]), or a mapping from type to instance."
        )


def _is_a(instance: object, kind: Any) -> bool:
    try:
        return isinstance(instance, kind)
    except TypeError:  # a protocol that is not runtime-checkable: only a mapping can say who fulfils it
        return False


class FunctionHandler:
    """A function that handles one message type, with its other parameters filled by type."""

    def __init__(self, function: Callable[..., Any], message: type, *, names: Mapping[str, object]) -> None:
        """``message``: what it handles; ``names``: those visible where the function was written."""
        self.function = function
        self._where = where = f"{function.__module__}.{function.__qualname__}"
        parameters = list(inspect.signature(function).parameters)
        if not parameters:
            raise DefinitionError(
                f"{where} takes no message. Give it a first parameter of type {message.__qualname__}."
            )
        first = resolve_annotation(function, parameters[0], names)
        if first is not message:
            raise DefinitionError(
                f"{where} is registered for {message.__qualname__}, but its first parameter is {first!r}."
            )
        self._annotations = {name: resolve_annotation(function, name, names) for name in parameters[1:]}
        self._providers: list[tuple[str, Provider]] = []

    def bind(self, services: Services, aggregates: Sequence[type[Any]]) -> None:
        """Find a provider for every further parameter; called when the app starts. ``aggregates``: those of the app."""
        self._providers = [
            (name, self._provider(kind, services, aggregates)) for name, kind in self._annotations.items()
        ]

    async def __call__(self, unit: UnitOfWork, message: object) -> Any:
        """Call the function; its result is the reply."""
        arguments = {name: provide(unit) for name, provide in self._providers}
        result = self.function(message, **arguments)
        return await result if inspect.isawaitable(result) else result

    def _provider(self, kind: Any, services: Services, aggregates: Sequence[type[Any]]) -> Provider:
        if typing.get_origin(kind) is Repository:
            (aggregate,) = typing.get_args(kind)
            if aggregate not in aggregates:
                raise DefinitionError(
                    f"{self._where} asks for {kind}, which is no aggregate of this app. Give the class to App(...)."
                )
            return lambda unit: Repository(aggregate, unit)
        if kind is Repository:
            raise DefinitionError(f"{self._where} asks for a Repository. Say of which aggregate: Repository[Order].")
        service = services.find(kind, self._where)
        return lambda unit: service
