"""Aggregates: a consistency boundary over one stream. State, decisions and evolutions in one class."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from datetime import timedelta
from operator import attrgetter
from typing import Any, ClassVar, Unpack

import msgspec

from everfold.domain.annotations import names_around
from everfold.domain.class_keywords import StructOptions, place_of
from everfold.domain.shape import accepts_none, field_names, type_of_field
from everfold.domain.state import Handlers, State, StateMeta, category_for, check_defaults, collect_handlers
from everfold.errors import DefinitionError

__all__ = ["Aggregate", "AggregateDefinition", "SnapshotPolicy"]


class SnapshotPolicy(msgspec.Struct, frozen=True, kw_only=True):
    """When to keep folded state: after so many events, or when the last snapshot is older and events came since."""

    every: int | None = None
    older_than: timedelta | None = None

    def __post_init__(self) -> None:
        if self.every is None and self.older_than is None:
            raise DefinitionError("A snapshot policy needs every= (events) or older_than= (a timedelta).")
        if self.every is not None and self.every < 1:
            raise DefinitionError(f"A snapshot policy cannot have every={self.every}. Give a number of events from 1.")


class AggregateDefinition(msgspec.Struct, frozen=True):
    """What an aggregate class declares."""

    category: str
    key: str
    """The field of every command that names the aggregate."""
    key_of: Callable[[Any], Any]
    decisions: Handlers
    evolutions: Handlers
    snapshots: SnapshotPolicy | None


class AggregateMeta(StateMeta):
    """Makes aggregate classes and checks them."""

    KEYWORDS: ClassVar[tuple[str, ...]] = ("key", "category", "snapshots")

    def __new__(
        metacls,
        class_name: str,
        bases: tuple[type, ...],
        namespace: dict[str, Any],
        *,
        key: str | None = None,
        category: str | None = None,
        snapshots: SnapshotPolicy | None = None,
        **options: Unpack[StructOptions],
    ) -> Any:
        """Make the class; every mistake that can be seen now is a DefinitionError."""
        cls: Any = super().__new__(metacls, class_name, bases, namespace, **options)
        if State not in bases:
            names = names_around(inspect.currentframe())
            cls.__everfold__ = _define(cls, names, key=key, category=category, snapshots=snapshots)
        return cls


class Aggregate(State, metaclass=AggregateMeta):
    """State that is decided on as one, over the events of one stream::

        class Account(Aggregate, key="account_id"):
            balance: int = 0

            @decide
            def withdraw(self, command: Withdraw) -> Events: ...

            @evolve
            def withdrawn(self, event: MoneyWithdrawn) -> None: ...

    ``key`` is the field of every command that names the aggregate; the stream is ``category-key``, where
    ``category`` defaults to the class name in snake case. Every field needs a default: it is the empty state.
    ``snapshots=SnapshotPolicy(every=500)`` keeps folded state for long streams.
    """

    __everfold__: ClassVar[AggregateDefinition]


def _define(
    cls: type[Aggregate],
    names: dict[str, object],
    *,
    key: str | None,
    category: str | None,
    snapshots: object,
) -> AggregateDefinition:
    where = place_of(cls)
    inherited: AggregateDefinition | None = getattr(cls, "__everfold__", None)
    key = key or (inherited.key if inherited else None)
    if not isinstance(key, str) or not key.isidentifier():
        raise DefinitionError(
            f"{where} has no key. Write class {cls.__name__}(Aggregate, key='...') with the field of its commands that "
            "names the aggregate."
        )
    policy = snapshots or (inherited.snapshots if inherited else None)
    if policy is not None and not isinstance(policy, SnapshotPolicy):
        raise DefinitionError(f"{where}: snapshots={policy!r} is no policy. Write snapshots=SnapshotPolicy(every=500).")
    decisions, evolutions = collect_handlers(cls, names)
    check_defaults(cls)
    for command in decisions:
        _check_key(command, key, where)
    return AggregateDefinition(category_for(cls, category), key, attrgetter(key), decisions, evolutions, policy)


def _check_key(command: type, key: str, where: str) -> None:
    if key not in field_names(command):
        raise DefinitionError(
            f"{where} decides {command.__qualname__}, which has no field {key!r}. Add the field that names "
            "the aggregate."
        )
    if accepts_none(type_of_field(command, key)):
        raise DefinitionError(
            f"{where} decides {command.__qualname__}, whose field {key!r} may be None. It names the "
            "aggregate: require it."
        )
