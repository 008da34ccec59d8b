"""The registry: which event class has which permanent name and version. Filled when an app is made, then fixed."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from everfold.codec.json_format import JsonFormat
from everfold.domain.class_keywords import place_of
from everfold.domain.event import event_definition
from everfold.domain.message import check_fields
from everfold.domain.tag import tag_fields, tag_reader
from everfold.errors import DefinitionError

__all__ = ["DEFAULT_MAX_EVENT_BYTES", "EventType", "Registry"]

DEFAULT_MAX_EVENT_BYTES = 1024 * 1024


class EventType:
    """One registered event class."""

    def __init__(self, cls: type, *, max_bytes: int) -> None:
        definition = event_definition(cls)
        if definition is None:
            raise DefinitionError(f"{place_of(cls)} is not an event. Subclass Event, or decorate it with @event.")
        if getattr(cls, "__parameters__", ()):
            raise DefinitionError(
                f"{place_of(cls)} is generic: its fields have no types of their own. Register a class for each "
                f"use, such as class Special{cls.__name__}({cls.__name__}[int])."
            )
        self.cls = cls
        self.name = definition.name
        self.version = definition.version
        try:
            check_fields(cls)
            self.format = JsonFormat(cls, definition.name, max_bytes=max_bytes)
            self.read_tags = tag_reader(tag_fields(cls))
        except (TypeError, NameError) as error:
            raise DefinitionError(
                f"{place_of(cls)} cannot be stored: {error}. Define or import above the class what its annotations "
                "name."
            ) from error


class Registry:
    """All event types of an application, by class and by name."""

    def __init__(self, events: Iterable[type], *, max_event_bytes: int = DEFAULT_MAX_EVENT_BYTES) -> None:
        """Register the classes; the same one twice is fine, two with one name are a DefinitionError."""
        self.by_class: dict[type, EventType] = {}
        self.by_name: dict[str, EventType] = {}
        for cls in events:
            if cls not in self.by_class:
                self._add(EventType(cls, max_bytes=max_event_bytes))

    def _add(self, event_type: EventType) -> None:
        other = self.by_name.get(event_type.name)
        if other is not None:
            raise DefinitionError(
                f"{place_of(other.cls)} and {place_of(event_type.cls)} have the same permanent name "
                f"{event_type.name!r}. Give one of them another with name=. Old versions of an event have no class: "
                "upcasters "
                "read them."
            )
        self.by_name[event_type.name] = event_type
        self.by_class[event_type.cls] = event_type

    def __iter__(self) -> Iterator[EventType]:
        return iter(self.by_name.values())
