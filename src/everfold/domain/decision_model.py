"""Decision models: a consistency boundary over tags (a dynamic consistency boundary, https://dcb.events).

The boundary is inferred: the tagged fields of the model, and the event types it evolves by.
"""

from __future__ import annotations

import inspect
from typing import Any, ClassVar, Unpack

import msgspec

from everfold.domain.annotations import names_around
from everfold.domain.class_keywords import StructOptions, place_of
from everfold.domain.event import event_definition
from everfold.domain.shape import accepts_none, field_names, type_of_field
from everfold.domain.state import Handlers, State, StateMeta, category_for, check_defaults, collect_handlers
from everfold.domain.tag import TagField, tag_fields
from everfold.errors import DefinitionError

__all__ = ["DecisionModel", "DecisionModelDefinition"]


class DecisionModelDefinition(msgspec.Struct, frozen=True):
    """What a decision model class declares."""

    category: str
    tags: tuple[TagField, ...]
    """The tagged fields: what a decision is about, taken from the command."""
    types_by_field: dict[str, tuple[str, ...]]
    """For each tagged field, the permanent names of the event types that carry its tag."""
    decisions: Handlers
    evolutions: Handlers


class DecisionModelMeta(StateMeta):
    """Makes decision model classes and checks them."""

    def __new__(
        metacls,
        class_name: str,
        bases: tuple[type, ...],
        namespace: dict[str, Any],
        *,
        category: str | None = None,
        **options: Unpack[StructOptions],
    ) -> Any:
        """Make the class; every mistake that can be seen now is a DefinitionError."""
        cls: Any = super().__new__(metacls, class_name, bases, namespace, **options)
        if State not in bases:
            cls.__everfold__ = _define(cls, names_around(inspect.currentframe()), category)
        return cls


class DecisionModel(State, metaclass=DecisionModelMeta):
    """State that is decided on over all events that carry its tags::

        class Enrolment(DecisionModel):
            course_id: Annotated[str, Tag("course")]
            student_id: Annotated[str, Tag("student")]
            seats_left: int = 0

    A command it decides has the same tagged fields. It sees the events, of the types it evolves by, that
    carry any of its tags; the append fails if such an event was recorded meanwhile, and is retried.
    """

    __everfold__: ClassVar[DecisionModelDefinition]


def _define(cls: type[DecisionModel], names: dict[str, object], category: str | None) -> DecisionModelDefinition:
    where = place_of(cls)
    decisions, evolutions = collect_handlers(cls, names)
    tags = tag_fields(cls)
    if not tags or any(tag.is_many or accepts_none(type_of_field(cls, tag.field)) for tag in tags):
        raise DefinitionError(
            f"{where} needs fields such as course_id: Annotated[str, Tag('course')], one value each and never None: "
            "they say which events it sees."
        )
    tagged = frozenset(tag.field for tag in tags)
    check_defaults(cls, given=tagged)
    for command in decisions:
        _check_command(command, tagged, where)
    types_by_field = _boundary(where, tags, evolutions)
    return DecisionModelDefinition(category_for(cls, category), tags, types_by_field, decisions, evolutions)


def _check_command(command: type, tagged: frozenset[str], where: str) -> None:
    missing = ", ".join(sorted(tagged - field_names(command)))
    if missing:
        raise DefinitionError(
            f"{where} decides {command.__qualname__}, which has no field {missing}. Add it, or decide the command in a "
            "model with fewer tags."
        )
    empty = ", ".join(name for name in sorted(tagged) if accepts_none(type_of_field(command, name)))
    if empty:
        raise DefinitionError(
            f"{where} decides {command.__qualname__}, whose field {empty} may be None. It says which events to see: "
            "require it."
        )


def _boundary(where: str, tags: tuple[TagField, ...], evolutions: Handlers) -> dict[str, tuple[str, ...]]:
    found: dict[str, list[str]] = {tag.field: [] for tag in tags}
    for kind in evolutions:
        carried = {field.tag for field in tag_fields(kind)}
        fields = [tag.field for tag in tags if tag.tag in carried]
        if not fields:
            raise DefinitionError(
                f"{where} evolves by {kind.__qualname__}, which carries none of its tags "
                f"({', '.join(tag.tag for tag in tags)}). Annotate a field of the event with one of them."
            )
        definition = event_definition(kind)
        for field in fields:
            found[field] += [definition.name] if definition else []
    empty = [field for field, types in found.items() if not types]
    if empty:
        raise DefinitionError(
            f"{where}: no event it evolves by carries the tag of {', '.join(empty)}. Remove the field, or tag an event."
        )
    return {field: tuple(types) for field, types in found.items()}
