"""Sorts what an App is made of: aggregates, decision models, upcasters, further events. Used once, by the App."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from everfold.app.command_bus import CommandHandler
from everfold.codec.upcaster import Merger, Upcaster
from everfold.domain.aggregate import Aggregate
from everfold.domain.decision_model import DecisionModel
from everfold.domain.event import Event, event_definition
from everfold.errors import DefinitionError
from everfold.projections.projection import Projection

__all__ = ["Parts"]

Part = type | Upcaster | Merger


class Parts:
    """The declared parts of an application, checked against each other."""

    def __init__(self, parts: Iterable[Part], events: Sequence[type]) -> None:
        self.aggregates: list[type[Aggregate]] = []
        self.models: list[type[DecisionModel]] = []
        self.projections: list[type[Projection]] = []
        self.upcasters: list[Upcaster | Merger] = []
        self.events: list[type] = list(events)
        self.command_handlers: dict[type, CommandHandler] = {}
        for part in parts:
            self._sort(part)
        self._check_categories()
        self._check_projections()

    def _sort(self, part: Any) -> None:
        if isinstance(part, Upcaster | Merger):
            self.upcasters.append(part)
        elif not isinstance(part, type) or not self._add_class(part):
            raise DefinitionError(
                f"{part!r} cannot be a part of an App. Give aggregates, decision models, projections, events and "
                "upcasters."
            )

    def _add_class(self, part: type[Any]) -> bool:
        if issubclass(part, Aggregate) and part is not Aggregate:
            self.aggregates.append(part)
            self._add_state(part, lambda unit, command: unit.decide(part, command))
        elif issubclass(part, DecisionModel) and part is not DecisionModel:
            self.models.append(part)
            self._add_state(part, lambda unit, command: unit.decide_model(part, command))
        elif issubclass(part, Projection) and part is not Projection:
            self.projections.append(part)
            self.events.extend(part.__everfold__.handlers)
        elif event_definition(part) and part is not Event:
            self.events.append(part)
        else:
            return False
        return True

    def _add_state(self, part: type[Aggregate | DecisionModel], handler: CommandHandler) -> None:
        self.events.extend(part.__everfold__.evolutions)
        for command in part.__everfold__.decisions:
            self.add_command(command, handler, part.__qualname__)

    def add_command(self, command: type, handler: CommandHandler, by: str) -> None:
        """Register the one handler of a command."""
        if command in self.command_handlers:
            raise DefinitionError(f"{command.__qualname__} has two handlers, one of them {by}. Keep one.")
        self.command_handlers[command] = handler

    def _check_categories(self) -> None:
        owners: dict[str, str] = {}
        states: tuple[type[Aggregate | DecisionModel], ...] = (*self.aggregates, *self.models)
        for part in states:
            category = part.__everfold__.category
            if category in owners:
                raise DefinitionError(
                    f"{owners[category]} and {part.__qualname__} both write to the category {category!r}. "
                    "Give one of them another with category=."
                )
            owners[category] = part.__qualname__

    def _check_projections(self) -> None:
        """Names, tables and queries have one owner each."""
        owners: dict[object, str] = {}
        for projection in self.projections:
            definition = projection.__everfold__
            owned: list[tuple[str, object]] = [("the name", definition.name)]
            owned += [("the table", model.__everfold__.name) for model in definition.tables.values()]
            owned += [("the query", query) for query in definition.answers]
            for kind, thing in owned:
                if (kind, thing) in owners:
                    shown = thing.__qualname__ if isinstance(thing, type) else repr(thing)
                    raise DefinitionError(
                        f"{owners[kind, thing]} and {projection.__qualname__} both have {kind} {shown}. Give one of "
                        "them another (name= of the projection or of the read model), or remove one."
                    )
                owners[kind, thing] = projection.__qualname__

    @property
    def answers(self) -> dict[type, type[Projection]]:
        """The projection that answers each query."""
        return {query: part for part in self.projections for query in part.__everfold__.answers}
