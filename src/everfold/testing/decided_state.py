"""The state a scenario decides on: what was given, stored and read back, folded as the store folds it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Generic, TypeVar, cast

from everfold.clock import SystemClock
from everfold.codec.pipeline import Codec
from everfold.domain.aggregate import Aggregate, AggregateDefinition
from everfold.domain.decision_model import DecisionModel, DecisionModelDefinition
from everfold.domain.state import State
from everfold.engines.memory.engine import MemoryEngine
from everfold.errors import BrokenRule, DefinitionError
from everfold.identifiers import IdSource
from everfold.log.record import Record
from everfold.log.selection import EVERYTHING, Selection
from everfold.store.boundary import TagBoundary, Tools
from everfold.store.cache import HotStates
from everfold.store.committer import Committer
from everfold.store.event_store import EventStore
from everfold.store.fold import fold

__all__ = ["StateAfter"]

S = TypeVar("S", bound=State)


class StateAfter(Generic[S]):
    """The state of an aggregate or decision model after these events, as the command would find it."""

    def __init__(self, cls: type[S], history: Sequence[object], command: object = None) -> None:
        definition: AggregateDefinition | DecisionModelDefinition = vars(cls)["__everfold__"]
        self._codec = Codec(
            (*definition.evolutions, *{type(event) for event in history}), new_id=IdSource(SystemClock().micros).next
        )
        self.state, selection = _empty(cls, command, self._codec)
        records = [self._record(number, event) for number, event in enumerate(history, start=1)]
        fold(
            self.state, [record for record in records if selection.matches(record)], self._codec, definition.evolutions
        )

    def keep(self, event: object) -> object:
        """The event as the store would give it back; BrokenRule when that is not what was recorded."""
        (again,) = self._codec.decode(self._record(1, event))
        if again != event or type(again) is not type(event):
            raise BrokenRule(
                f"{event!r} would be read back from the store as {again!r}. Give its fields types that JSON keeps, "
                "and yield events whose values have those types."
            )
        return again

    def _record(self, number: int, event: object) -> Record:
        new = self._codec.encode(event)
        return Record(number, "scenario-1", number, new.type, new.schema_version, new.id, 0, new.data, tags=new.tags)


def _empty(cls: type[S], command: object, codec: Codec) -> tuple[S, Selection]:
    """The state before any event, and which events it is about."""
    if issubclass(cls, Aggregate):
        return cls(), EVERYTHING
    if command is None:
        raise DefinitionError(f"The state of {cls.__qualname__} depends on the command: call when(...) first.")
    boundary = TagBoundary(cast("type[DecisionModel]", cls), command, _tools(codec))
    return cast("S", boundary.state), boundary.selection


def _tools(codec: Codec) -> Tools:
    engine, clock = MemoryEngine(), SystemClock()
    events = EventStore(engine, codec, Committer(engine))
    return Tools(events=events, codec=codec, hot=HotStates(0), clock=clock, snapshotters={}, is_checked=True)
