"""The unit of work: everything one command loads, decides and records, written as one append."""

from __future__ import annotations

import asyncio
from itertools import groupby
from typing import TypeVar, cast

import msgspec

from everfold.codec.metadata import current_metadata, encode_metadata
from everfold.domain.aggregate import Aggregate
from everfold.domain.decision import Decided
from everfold.domain.decision_model import DecisionModel
from everfold.domain.message import name_of
from everfold.errors import BrokenRule, InvalidMessage, Rejected
from everfold.log.condition import Condition
from everfold.log.idempotency import Repeatable
from everfold.log.record import NewRecord
from everfold.log.selection import Selection
from everfold.log.write import Appended, StreamAppend, Write
from everfold.store.boundary import AggregateBoundary, TagBoundary, Tools

__all__ = ["Recorded", "UnitOfWork"]

A = TypeVar("A", bound=Aggregate)


class Recorded(msgspec.Struct, frozen=True, gc=False):
    """What a unit of work came to."""

    events: tuple[object, ...]
    stream: str | None
    """The stream it was mainly about: the first it touched."""
    version: int
    """The version that stream has reached."""
    position: int
    """The last position written, or one at which what was read held, when nothing was written."""
    refusal: Rejected | None = None
    """The refusal that was recorded, as a fact of its own."""


class UnitOfWork:
    """Holds the boundaries of one attempt at one command. Made by ``transact``; handlers use it by repositories."""

    __slots__ = (
        "_aggregates",
        "_appends",
        "_broken",
        "_events",
        "_expected",
        "_is_read_only",
        "_loading",
        "_metadata_json",
        "_models",
        "_sequence",
        "_tools",
        "refusal",
    )

    def __init__(self, tools: Tools, *, is_read_only: bool = False, expected: int | None = None) -> None:
        """``expected``: the version that the stream must have which this is mainly about."""
        self._tools = tools
        self._expected = expected
        self._is_read_only = is_read_only
        self._aggregates: dict[str, AggregateBoundary] = {}
        self._models: tuple[TagBoundary, ...] = ()
        self._events: list[object] = []
        self._metadata_json: str | None = None
        self._sequence: tuple[AggregateBoundary, ...] = ()
        self._appends: tuple[StreamAppend, ...] = ()
        self._broken: BrokenRule | None = None
        self._loading: asyncio.Lock | None = None
        self.refusal: Rejected | None = None
        """The last refusal that recorded events: they are to be stored although it was raised."""

    async def decide(self, cls: type[Aggregate], command: object) -> object:
        """Have the aggregate that the command names decide it; the reply. The aggregate is held until the end."""
        key = cls.__everfold__.key_of(command)
        boundary = AggregateBoundary(cls, key, self._tools, shares=True)
        if not boundary.enters_at_once(self._aggregates):
            await boundary.enter_for(self._aggregates)
        if self._expected is not None:
            await self._expect(boundary)
        return self._keep(await boundary.decide(command, self._encode))

    async def decide_model(self, cls: type[DecisionModel], command: object) -> object:
        """Have a decision model decide the command; the reply."""
        if self._expected is not None:
            raise InvalidMessage(name_of(command), "it is decided over several streams, so no one version is expected.")
        boundary = TagBoundary(cls, command, self._tools)
        self._models += (boundary,)
        await boundary.load()
        return self._keep(boundary.decide(command, self._encode))

    async def aggregate(self, cls: type[A], key: object) -> AggregateBoundary:
        """The boundary of an aggregate for a function handler: its own fresh state, the same one when asked again."""
        boundary = AggregateBoundary(cls, key, self._tools, shares=False)
        if self._loading is None:
            self._loading = asyncio.Lock()
        async with self._loading:  # a handler may ask for several at once
            found = self._aggregates.get(boundary.stream)
            if found is None:
                await boundary.enter_for(self._aggregates)
                if self._expected is not None:
                    await self._expect(boundary)
                return boundary
            await found.be_loaded()
            return found

    async def _expect(self, boundary: AggregateBoundary) -> None:
        expected, self._expected = self._expected, None
        await boundary.expect(cast("int", expected))

    def record(self, boundary: AggregateBoundary, event: object) -> None:
        """A function handler records an event; the boundary's state evolves by it."""
        self._check_writable()
        boundary.record(event, self._encode)
        self._events.append(event)
        self._sequence += (boundary,)

    async def decide_in(self, boundary: AggregateBoundary, command: object) -> object:
        """A function handler has an aggregate it holds decide another command; the reply."""
        self._check_writable()
        decided = await boundary.decide(command, self._encode)
        self._sequence += (boundary,) * len(decided.events)
        return self._keep(decided)

    def _keep(self, decided: Decided) -> object:
        refusal = decided.refusal
        if refusal is not None and self._events:
            self._broken = BrokenRule(
                "A decision refused with recording(...) after its handler had recorded other events. Decide what may "
                "refuse that way first."
            )
            raise self._broken from refusal
        self._events.extend(decided.events)
        if refusal is not None:
            self.refusal = refusal
            raise refusal
        return decided.reply

    def _encode(self, event: object) -> tuple[NewRecord, object]:
        """The event's record, and the event as it will be read back: a state that holds on to parts of an event
        must never share them with the command, or they would change under its next attempt.
        """
        if self._metadata_json is None:
            self._metadata_json = encode_metadata(current_metadata())
        return self._tools.codec.encode_and_read(event, self._metadata_json)

    def _check_writable(self) -> None:
        if self._is_read_only:
            raise BrokenRule("A query handler recorded an event. Queries change nothing: send a command.")

    @property
    def has_events(self) -> bool:
        """Whether there is anything to append."""
        return bool(self._events)

    def write(self, repeatable: Repeatable | None) -> Write:
        """The one append of this unit: its records, and the assertion of everything that it only read."""
        if self._broken:
            raise self._broken
        if len(self._aggregates) == 1 and not self._models:
            return self._write_one(next(iter(self._aggregates.values())), repeatable)
        boundaries: list[AggregateBoundary | TagBoundary] = [*self._aggregates.values(), *self._models]
        snapshots = [found for boundary in self._aggregates.values() if (found := boundary.snapshot())]
        several = len(boundaries) > 1
        self._appends = self._in_order() if several else tuple([boundary.append() for boundary in boundaries])
        return Write(
            appends=self._appends,
            condition=self._condition() if self._models else None,
            repeatable=repeatable,
            snapshots=tuple(snapshots),
        )

    def _write_one(self, boundary: AggregateBoundary, repeatable: Repeatable | None) -> Write:
        """The usual case, by the shortest way."""
        self._appends = (boundary.append(),)
        snapshot = boundary.snapshot()
        return Write(appends=self._appends, repeatable=repeatable, snapshots=(snapshot,) if snapshot else ())

    def _in_order(self) -> tuple[StreamAppend, ...]:
        """What was recorded in several streams, in the order it was recorded; first what was only read."""
        appends = [boundary.append() for boundary in self._aggregates.values() if boundary not in self._sequence]
        done: dict[str, int] = {}
        for boundary, run in groupby(self._sequence):
            start = done.get(boundary.stream, 0)
            end = done[boundary.stream] = start + len(list(run))
            appends.append(boundary.append_some(start, end))
        return tuple(appends)

    def _condition(self) -> Condition:
        selection = Selection.any_of(model.selection for model in self._models)
        # What the models read at different moments: none may have news since the earliest of them.
        return Condition(selection, min(model.position for model in self._models))

    @property
    def stream(self) -> str | None:
        """The stream that this is mainly about: the first it touched."""
        for boundary in self._aggregates.values():
            return boundary.stream
        for model in self._models:
            return model.stream
        return None

    def accepted(self, outcome: Appended, refusal: Rejected | None) -> Recorded:
        """The write is durable."""
        versions = {part.stream: version for part, version in zip(self._appends, outcome.versions, strict=True)}
        for stream, boundary in self._aggregates.items():
            boundary.accepted(versions[stream], outcome.last, outcome.recorded)
        main = self.stream
        return Recorded(tuple(self._events), main, versions[main] if main else 0, outcome.last, refusal)

    def skipped(self) -> Recorded:
        """There was nothing to append."""
        for boundary in self._aggregates.values():
            return Recorded((), boundary.stream, boundary.version, boundary.position)
        for model in self._models:
            return Recorded((), model.stream, 0, model.position)
        return Recorded((), None, 0, 0)

    def refused(self) -> None:
        """The write did not hold, or could not be made: what was loaded for it is stale or ahead of the log."""
        for boundary in self._aggregates.values():
            boundary.refused()

    def leave(self) -> None:
        """End the turns on the aggregates."""
        for boundary in self._aggregates.values():
            boundary.leave()
        self._aggregates.clear()
