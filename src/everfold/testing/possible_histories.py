"""Histories that may happen: events in streams, in every order that is possible. Used by ``check_projection``.

Where an aggregate is given, it decides: random commands are put to it, and what it records is the history of its
streams. All other events come as they may, unless they are said to begin a stream.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import msgspec
from hypothesis import strategies as st

from everfold.codec.pipeline import Codec
from everfold.domain.aggregate import Aggregate
from everfold.domain.decision import Decided, apply, run_decision
from everfold.errors import DefinitionError, Rejected
from everfold.identifiers import key_text, stream_name
from everfold.testing.event_strategies import instances_of

__all__ = ["Happened", "PossibleHistories"]

KEYS = ("1", "2", "3")
LONGEST = 25


class Happened(msgspec.Struct, frozen=True):
    """An event in its stream."""

    stream: str
    event: object


class PossibleHistories:
    """Makes histories of these events."""

    def __init__(
        self,
        events: Sequence[type],
        codec: Codec,
        *,
        aggregates: Sequence[type[Aggregate]],
        begins_with: Sequence[type],
        examples: Sequence[object],
        category: str,
    ) -> None:
        self._codec = codec
        self._begins_with = tuple(begins_with)
        self._examples: dict[type, list[object]] = {}
        for example in examples:
            self._examples.setdefault(type(example), []).append(example)
        self._category = category
        decided = {event for aggregate in aggregates for event in aggregate.__everfold__.evolutions}
        steps: list[st.SearchStrategy[_Step]] = [self._commands(aggregate) for aggregate in aggregates]
        steps += [self._given(aggregate) for aggregate in aggregates if self._examples.keys() & _evolved(aggregate)]
        self._loose = [event for event in events if event not in decided]
        if self._loose:
            steps.append(st.sampled_from(self._loose).flatmap(self._loose_event))
        if not steps:
            raise DefinitionError("There is nothing to check: the projection handles no events.")
        self._steps = st.lists(st.one_of(steps), min_size=1, max_size=LONGEST)

    def strategy(self) -> st.SearchStrategy[list[Happened]]:
        """Histories, as a Hypothesis strategy."""
        return st.composite(self._draw)()

    def instances(self, event: type) -> st.SearchStrategy[Any]:
        """Events of a type: the examples if there are any, or else what its fields may be."""
        examples = self._examples.get(event)
        if examples:
            return st.sampled_from(examples)
        registered = self._codec.registry.by_class.get(event)
        try:
            return instances_of(event, (lambda raw: registered.format.decode(raw.decode())) if registered else None)
        except TypeError as error:
            raise DefinitionError(
                f"No examples of {event.__qualname__} can be made: {error}. Give some: "
                f"check_projection(..., examples=[{event.__qualname__}(...)])."
            ) from error

    # --- steps

    def _loose_event(self, event: type) -> st.SearchStrategy[_Step]:
        keys = st.sampled_from(KEYS)
        return st.builds(_Loose, keys, self.instances(event))

    def _commands(self, aggregate: type[Aggregate]) -> st.SearchStrategy[_Step]:
        definition = aggregate.__everfold__
        return st.one_of(
            [
                st.builds(_Asked, st.just(aggregate), self._with_key(self.instances(command), definition.key))
                for command in definition.decisions
            ]
        )

    @staticmethod
    def _with_key(commands: st.SearchStrategy[Any], key: str) -> st.SearchStrategy[Any]:
        """The commands, spread over a few aggregates where their keys are text."""

        def change(command: Any, text: str) -> Any:
            if type(getattr(command, key)) is not str:
                return command
            return msgspec.structs.replace(command, **{key: text})

        return st.builds(change, commands, st.sampled_from(KEYS))

    def _given(self, aggregate: type[Aggregate]) -> st.SearchStrategy[_Step]:
        events = [event for kind in _evolved(aggregate) for event in self._examples.get(kind, ())]
        return st.builds(_Recorded, st.just(aggregate), st.sampled_from(KEYS), st.sampled_from(events))

    # --- histories

    def _draw(self, draw: Callable[[st.SearchStrategy[Any]], Any]) -> list[Happened]:
        happened: list[Happened] = []
        for step in draw(self._steps):
            happened += step.happen(self, happened, draw)
        return happened

    def begin(self, stream: str, happened: Sequence[Happened], draw: Callable[..., Any]) -> list[Happened]:
        """What has to come before the first event of a stream."""
        if not self._begins_with or any(each.stream == stream for each in happened):
            return []
        return [Happened(stream, draw(st.sampled_from(self._begins_with).flatmap(self.instances)))]

    def may_come(self, event: object, stream: str, happened: Sequence[Happened]) -> bool:
        """Whether an event may come now: those that begin a stream come once."""
        return type(event) not in self._begins_with or all(each.stream != stream for each in happened)

    def stream_of(self, key: str) -> str:
        """The stream of events that no aggregate decides."""
        return stream_name(self._category, key)

    def keep(self, event: object) -> object:
        """The event as it will be read."""
        return self._codec.encode_and_read(event)[1]


class _Loose(msgspec.Struct, frozen=True):
    """An event that no aggregate decides."""

    key: str
    event: object

    def happen(self, histories: PossibleHistories, happened: Sequence[Happened], draw: Any) -> list[Happened]:
        stream = histories.stream_of(self.key)
        before = histories.begin(stream, happened, draw)
        if not histories.may_come(self.event, stream, [*happened, *before]):
            return before
        return [*before, Happened(stream, self.event)]


class _Asked(msgspec.Struct, frozen=True):
    """A command that is put to an aggregate."""

    aggregate: type[Aggregate]
    command: Any

    def happen(self, histories: PossibleHistories, happened: Sequence[Happened], draw: Any) -> list[Happened]:
        definition = self.aggregate.__everfold__
        stream = stream_name(definition.category, key_text(definition.key_of(self.command)))
        state, decided = _state(self.aggregate, stream, happened), Decided()
        decision, evolutions = definition.decisions[type(self.command)], definition.evolutions
        try:
            run_decision(decision, state, self.command, evolutions, decided=decided, checked=False, keep=histories.keep)
        except Rejected:
            return []
        return [Happened(stream, event) for event in decided.events]


class _Recorded(msgspec.Struct, frozen=True):
    """An event of an aggregate that was given as an example: it happens without a decision, as in older days."""

    aggregate: type[Aggregate]
    key: str
    event: object

    def happen(self, histories: PossibleHistories, happened: Sequence[Happened], draw: Any) -> list[Happened]:
        return [Happened(stream_name(self.aggregate.__everfold__.category, self.key), self.event)]


_Step = _Loose | _Asked | _Recorded


def _evolved(aggregate: type[Aggregate]) -> set[type]:
    return set(aggregate.__everfold__.evolutions)


def _state(aggregate: type[Aggregate], stream: str, happened: Sequence[Happened]) -> Aggregate:
    state = aggregate()
    evolutions: Mapping[type, Any] = aggregate.__everfold__.evolutions
    for each in happened:
        if each.stream == stream:
            apply(state, each.event, evolutions)
    return state
