"""Upcasters: old stored shapes to newer ones, on read. The stored bytes never change.

A change of an event's fields is a new schema version and an upcaster from the old one. Chains run in
order; a record may become several events, another type, or nothing. Declared here by users, given to the App.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeAlias, cast

import msgspec

from everfold.errors import DefinitionError

__all__ = ["Data", "Merger", "Shape", "Upcaster", "Versioned", "merge", "upcast"]

Data = dict[str, Any]
"""The fields of a stored event as JSON values. An upcaster may change and return it."""

Versioned: TypeAlias = tuple[str, int]
"""A type of stored events at one schema version: ``("account-opened", 1)``."""


class Shape(msgspec.Struct, frozen=True):
    """Data of an event type at a version: what a split or a renaming upcaster returns."""

    type: str
    version: int
    data: Data


# What users' functions return is checked without narrowing its type.
_DICT: Any = dict
_SEQUENCE: Any = (list, tuple)
_SHAPE: Any = Shape

UpcasterFunction: TypeAlias = Callable[[Data], Data | Shape | Sequence[Shape] | None]


class Upcaster(msgspec.Struct, frozen=True):
    """Turns one version of a type into the next, or into other types."""

    type: str
    from_version: int
    function: UpcasterFunction
    into: tuple[Versioned, ...]
    """Every (type, version) it may return; by default the same type at the next version."""
    may_drop: bool
    """Whether it may return None: only when its results were declared."""

    @property
    def name(self) -> str:
        """The name of its function, for error messages."""
        return getattr(self.function, "__name__", "upcaster")

    def __call__(self, data: Data) -> tuple[Shape, ...]:
        """The newer shapes of old data; ValueError when the function returned something that was not declared."""
        shapes = self._shapes(self.function(data))
        for shape in shapes:
            if (shape.type, shape.version) not in self.into:
                raise ValueError(f"it returned {shape.type!r} version {shape.version}, which its into= does not name")
        return shapes

    def _shapes(self, result: Any) -> tuple[Shape, ...]:
        if isinstance(result, _SHAPE):
            return (result,)
        if isinstance(result, _DICT) and len(self.into) == 1:
            return (Shape(*self.into[0], result),)
        if isinstance(result, _SEQUENCE):
            shapes: tuple[Any, ...] = tuple(result)
            if all(isinstance(shape, Shape) for shape in shapes):
                return shapes
        if result is None and self.may_drop:
            return ()
        if result is None:
            raise ValueError("it returned nothing. Return the data; to drop the event, declare that with into=[]")
        raise ValueError(f"it returned a {type(result).__name__}. Return the fields as a dict, or Shapes as into= says")


class Merger(msgspec.Struct, frozen=True):
    """Turns two neighbouring records, written by one append to one stream, into one event."""

    first: Versioned
    second: Versioned
    function: Callable[[Data, Data], Data]
    into: Versioned

    @property
    def name(self) -> str:
        """The name of its function, for error messages."""
        return getattr(self.function, "__name__", "merger")

    def __call__(self, first: Data, second: Data) -> Shape:
        """The shape of the one event; ValueError when the function did not return its fields."""
        result: Any = self.function(first, second)
        if not isinstance(result, _DICT):
            raise ValueError(f"it returned a {type(result).__name__}. Return the fields of the event as a dict")
        return Shape(*self.into, result)


def upcast(
    type: str, *, from_version: int, into: Sequence[Versioned] | None = None
) -> Callable[[UpcasterFunction], Upcaster]:
    """Declare an upcaster; give it to the App with the aggregates::

        @upcast("account-opened", from_version=1)
        def add_currency(data: Data) -> Data:
            return data | {"currency": "EUR"}

    The function gets the stored fields and returns the fields of the next version. To rename, split or drop,
    name the results with ``into=[("first", 1), ("second", 1)]`` and return Shapes, or None to drop; ``into=[]``
    when it always drops.
    """
    _check_versioned((type, from_version))
    targets = ((type, from_version + 1),) if into is None else _checked_targets(into)
    return lambda function: Upcaster(type, from_version, function, targets, may_drop=into is not None)


def merge(first: Versioned, second: Versioned, *, into: Versioned) -> Callable[[Callable[[Data, Data], Data]], Merger]:
    """Declare that two neighbouring records mean one event now; each pair is ``(type, version)`` as stored.

    Only records written by one append are merged: next to each other in the log and in their stream.
    A record whose partner is missing is read as what it is, so both stay registered, or have upcasters.
    """
    for versioned in (first, second, into):
        _check_versioned(versioned)
    return lambda function: Merger(first, second, function, into)


def _checked_targets(into: Sequence[Versioned]) -> tuple[Versioned, ...]:
    for target in into:
        _check_versioned(target)
    return tuple(into)


def _check_versioned(value: object) -> None:
    is_pair = isinstance(value, tuple) and len(cast("tuple[object, ...]", value)) == 2
    name, version = cast("tuple[object, object]", value) if is_pair else (None, None)
    if not isinstance(name, str) or type(version) is not int or version < 1:
        raise DefinitionError(
            f"An upcaster names {value!r}. Write a permanent name and a version from 1, such as ('account-opened', 1); "
            "into= is a list of those."
        )
