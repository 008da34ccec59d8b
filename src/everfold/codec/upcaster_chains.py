"""All upcasters of an application: checked against its registry at start, and run in chains when records are read."""

from __future__ import annotations

import copy
from collections.abc import Sequence

import msgspec

from everfold.codec.registry import Registry
from everfold.codec.upcaster import Data, Merger, Shape, Upcaster, Versioned
from everfold.domain.class_keywords import place_of
from everfold.errors import DefinitionError

__all__ = ["UpcasterChains"]


class UpcasterChains:
    """From every stored shape that has an upcaster to shapes of registered events."""

    def __init__(self, upcasters: Sequence[Upcaster | Merger], registry: Registry) -> None:
        """DefinitionError when a chain is broken, goes round, or ends at something that is not registered."""
        self._registry = registry
        self._steps: dict[Versioned, Upcaster] = {}
        self.mergers: dict[Versioned, Merger] = {}
        """By the first of the two records."""
        for upcaster in upcasters:
            self._add(upcaster)
        self._check_versions()
        self._check_mergers()
        for source in self._steps:
            self._check_chain(source, ())

    def _add(self, upcaster: Upcaster | Merger) -> None:
        if isinstance(upcaster, Merger):
            source, is_known = upcaster.first, upcaster.first in self.mergers
            self.mergers[source] = upcaster
        else:
            source = (upcaster.type, upcaster.from_version)
            is_known = source in self._steps
            self._steps[source] = upcaster
        if is_known:
            raise DefinitionError(f"Two upcasters start from {_named(source)}. Keep one.")

    def _check_versions(self) -> None:
        """Every version below one that is read needs a way up, and a current one needs none."""
        current = {event_type.name: event_type.version for event_type in self._registry}
        for source, step in self._steps.items():
            if self.is_current(*source):
                raise DefinitionError(
                    f"The upcaster {step.name!r} starts from {_named(source)}, the current version of a registered "
                    "event, "
                    "so it would never run. Give the event a new version, or remove the upcaster."
                )
            current[source[0]] = max(current.get(source[0], 1), source[1])
        for name, newest in current.items():
            for version in range(1, newest):
                if (name, version) not in self._steps:
                    raise DefinitionError(
                        f"{self._place(name)} is at version {newest}, but there is no upcaster from "
                        f"{_named((name, version))}. Write one with @upcast({name!r}, from_version={version}) and "
                        "give it to the App."
                    )

    def _check_mergers(self) -> None:
        for merger in self.mergers.values():
            if merger.second in self.mergers:
                raise DefinitionError(
                    f"The merger {merger.name!r} ends with {_named(merger.second)}, which begins another pair, so "
                    "that it "
                    "would be unclear which pairs belong together. Merge each type in one place of one pair."
                )
            for versioned in (merger.first, merger.second, merger.into):
                self._check_chain(versioned, ())

    def _check_chain(self, source: Versioned, seen: tuple[Versioned, ...]) -> None:
        """Every way through the upcasters must end at a registered event, without going round."""
        if source in seen:
            raise DefinitionError(f"The upcasters from {_named(source)} go round in a circle. Let them lead upwards.")
        if source in self._steps:
            for target in self._steps[source].into:
                self._check_chain(target, (*seen, source))
        elif not self.is_current(*source):
            raise DefinitionError(
                f"Upcasters or mergers lead to {_named(source)}, which is no registered event. Give the event to the "
                "App, "
                "or an upcaster from there on."
            )

    def _place(self, name: str) -> str:
        event_type = self._registry.by_name.get(name)
        return place_of(event_type.cls) if event_type else f"The event type {name!r}"

    def is_current(self, type: str, version: int) -> bool:
        """Whether a registered event has exactly this name and version."""
        event_type = self._registry.by_name.get(type)
        return event_type is not None and event_type.version == version

    def knows(self, type: str, version: int) -> bool:
        """Whether a stored record of this type and version can be read."""
        return self.is_current(type, version) or (type, version) in self._steps

    def sources(self, names: frozenset[str]) -> frozenset[str]:
        """The names under which records are stored that may be read as events of these names, themselves included."""
        found, seen = set(names), -1
        while len(found) > seen:
            seen = len(found)
            for (name, _), step in self._steps.items():
                if any(target in found for target, _ in step.into):
                    found.add(name)
            for merger in self.mergers.values():
                pair = {merger.first[0], merger.second[0]}
                if merger.into[0] in found or pair & found:  # half of a pair would be read as something else
                    found |= pair
        return frozenset(found)

    def latest(self, shape: Shape) -> list[Shape]:
        """The shape in terms of registered events, in order: usually one; several, or none.

        ValueError, naming the upcaster, when one fails.
        """
        step = self._steps.get((shape.type, shape.version))
        if step is None:
            return [shape]
        try:
            newer = step(shape.data)
        except Exception as error:
            raise _failed(step, error) from error
        return [latest for part in _parted(newer) for latest in self.latest(part)]

    def merged(self, merger: Merger, first: Data, second: Data) -> list[Shape]:
        """What two records that belong together mean, in terms of registered events. ValueError when it fails."""
        try:
            shape = merger(first, second)
        except Exception as error:
            raise _failed(merger, error) from error
        return self.latest(shape)


def _failed(upcaster: Upcaster | Merger, error: Exception) -> ValueError:
    """An upcaster raised an error, or returned what it may not."""
    return ValueError(f"the upcaster {upcaster.name!r} failed ({type(error).__name__}: {error})")


def _parted(shapes: tuple[Shape, ...]) -> tuple[Shape, ...]:
    """Shapes that share no data, so that later upcasters may change theirs."""
    if len(shapes) < 2:
        return shapes
    return tuple(msgspec.structs.replace(shape, data=copy.deepcopy(shape.data)) for shape in shapes)


def _named(source: Versioned) -> str:
    return f"{source[0]!r} version {source[1]}"
