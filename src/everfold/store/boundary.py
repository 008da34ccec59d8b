"""Boundaries: what is loaded, decided on and written as one. Of an aggregate's stream, or of a decision model's tags.

Used by the unit of work, which asks each boundary for its part of the write.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import msgspec

from everfold.clock import Clock
from everfold.codec.pipeline import Codec
from everfold.domain.aggregate import Aggregate
from everfold.domain.decision import Decided, apply, run_decision
from everfold.domain.decision_model import DecisionModel
from everfold.domain.tag import tag_text
from everfold.errors import Conflict, NotFound, Rejected
from everfold.identifiers import check_key, key_text, stream_name
from everfold.log.record import NewRecord
from everfold.log.selection import Selection
from everfold.log.snapshot import Snapshot
from everfold.log.write import StreamAppend
from everfold.store.cache import Hot, HotStates
from everfold.store.event_store import PAGE, EventStore
from everfold.store.fold import fold
from everfold.store.snapshot import Snapshotter

__all__ = ["AggregateBoundary", "TagBoundary", "Tools"]


A = TypeVar("A", bound=Aggregate)
Encode = Callable[[object], tuple[NewRecord, object]]
"""Makes the record of an event, and the event as it will be read back."""


class Tools(msgspec.Struct, frozen=True):
    """What every boundary works with."""

    events: EventStore
    codec: Codec
    hot: HotStates
    clock: Clock
    snapshotters: dict[type, Snapshotter[Any]]
    is_checked: bool
    """Whether decisions are watched for changing state: in development and tests."""

    def snapshotter(self, cls: type[A]) -> Snapshotter[A]:
        """The snapshotter of this class, made when it is first needed."""
        found = self.snapshotters.get(cls)
        if found is None:
            found = self.snapshotters[cls] = Snapshotter(cls)
        return found


class AggregateBoundary:
    """One aggregate in a unit of work: its stream at a version, guarded by the expected version."""

    __slots__ = (
        "_cls",
        "_definition",
        "_hot",
        "_is_current",
        "_is_own",
        "_records",
        "_snapshot",
        "_tools",
        "stream",
    )

    def __init__(self, cls: type[Aggregate], key: object, tools: Tools, *, shares: bool) -> None:
        """``shares``: take turns on the kept state; otherwise work on a fresh one of one's own."""
        self._cls = cls
        self._definition = cls.__everfold__
        self.stream = stream_name(self._definition.category, key_text(key))
        self._tools = tools
        self._is_own = not shares
        self._hot = tools.hot.entry(self.stream) if shares else Hot()
        self._records: list[NewRecord] = []
        self._snapshot: Snapshot | None = None
        self._is_current = False

    @property
    def state(self) -> Any:
        """The state, evolved by what was decided so far."""
        return self._hot.state

    @property
    def version(self) -> int:
        """The version of the stream that the decision started from."""
        return self._hot.version

    @property
    def position(self) -> int:
        """A position at which the stream had this version."""
        return self._hot.position

    async def enter_for(self, entered: dict[str, AggregateBoundary]) -> None:
        """Take the turn, note it in ``entered`` (whose owner must ``leave``), and have a state."""
        await self._hot.turns.take()
        entered[self.stream] = self
        await self.be_loaded()

    def enters_at_once(self, entered: dict[str, AggregateBoundary]) -> bool:
        """As ``enter_for``, if nobody has the turn and the state is at hand; otherwise False, and nothing is done."""
        hot = self._hot
        if hot.turns.is_taken or hot.state is None:
            return False
        hot.turns.is_taken = True
        entered[self.stream] = self
        return True

    async def be_loaded(self) -> None:
        """Have a state, if loading it failed before or was never tried."""
        if self._hot.state is None:
            await self._load()

    async def expect(self, version: int) -> None:
        """Conflict unless the stream has this version. A kept state may be behind, so the log has the last word."""
        if self.version != version and not self._is_current:
            await self._catch_up()
        if self.version != version:
            raise Conflict(
                f"The stream {self.stream!r} is at version {self.version} and not at {version}.",
                stream=self.stream,
                expected=version,
                actual=self.version,
            )

    def leave(self) -> None:
        """End the turn. A state that is ahead of the log, because its records were not stored, is forgotten."""
        if self._records:
            self._hot.clear()
        self._hot.turns.give()

    async def decide(self, command: object, encode: Encode) -> Decided:
        """Decide; what rests on a kept state and is not appended (refusal, skip) is decided again on the newest."""
        hot, definition, records = self._hot, self._definition, self._records
        decision = definition.decisions[type(command)]
        count = len(records)

        def keep(event: object) -> object:
            record, copy = encode(event)
            records.append(record)
            return copy

        while True:
            decided = Decided()
            try:
                run_decision(
                    decision,
                    hot.state,
                    command,
                    definition.evolutions,
                    decided=decided,
                    checked=self._tools.is_checked,
                    keep=keep,
                )
            except BaseException as error:
                is_refusal = isinstance(error, Rejected | NotFound)
                if decided.events or not is_refusal:
                    await self._undo(count)  # a decision that did not finish leaves a state that never was
                if self._is_current or not is_refusal:
                    raise
            else:
                if decided.events or self._is_current:
                    return decided
            await (self._load() if hot.state is None else self._catch_up())

    async def _undo(self, count: int) -> None:
        """Back to the first ``count`` records of this unit: a handler may catch the error and go on."""
        hot, version = self._hot, self._hot.version
        del self._records[count:]
        if not self._is_own:
            hot.clear()
            return
        await self._load(until=version)
        by_name, evolutions = self._tools.codec.registry.by_name, self._definition.evolutions
        for record in self._records:
            apply(hot.state, by_name[record.type].format.decode(record.data), evolutions)

    async def _catch_up(self) -> None:
        """Fold what others appended since."""
        await self._fold_on(None)
        self._is_current = True

    async def _load(self, *, until: int | None = None) -> None:
        """The newest state (or that of a version): from the last snapshot that fits, and the records since."""
        hot = self._hot
        hot.clear()
        state = self._cls()
        if self._definition.snapshots is not None:
            snapshot = await self._tools.events.engine.snapshot(self.stream)
            restored = self._snapshotter.restore(snapshot)
            if snapshot and restored is not None and (until is None or snapshot.version <= until):
                state = restored
                hot.version = hot.snapshot_version = snapshot.version
                hot.position, hot.snapshot_taken = snapshot.position, snapshot.taken
        hot.state = state
        await self._fold_on(until)
        self._is_current = True

    async def _fold_on(self, until: int | None) -> None:
        hot, tools = self._hot, self._tools
        try:
            async for page in tools.events.stream_pages(self.stream, after=hot.version, until=until, bare=True):
                fold(hot.state, page, tools.codec, self._definition.evolutions)
                hot.version, hot.position = page[-1].version, max(hot.position, page[-1].position)
        except BaseException:
            hot.clear()
            raise

    @property
    def _snapshotter(self) -> Snapshotter[Any]:
        return self._tools.snapshotter(self._cls)

    def record(self, event: object, encode: Encode) -> None:
        """An event of a function handler: evolve the state by it, and have it written."""
        record, copy = encode(event)
        apply(self._hot.state, copy, self._definition.evolutions)
        self._records.append(record)

    def append(self) -> StreamAppend:
        """The boundary's part of the write: its records, or only the assertion of the version it read."""
        return StreamAppend(self.stream, tuple(self._records), self._hot.version)

    def append_some(self, start: int, end: int) -> StreamAppend:
        """The part of its records from one to before another, when others were recorded in between."""
        return StreamAppend(self.stream, tuple(self._records[start:end]), self._hot.version + start)

    def snapshot(self) -> Snapshot | None:
        """The snapshot to write along, when one is due."""
        if self._definition.snapshots is None or not self._records:
            return None
        hot, version = self._hot, self._hot.version + len(self._records)
        is_due = self._snapshotter.is_due(
            version=version,
            last_version=hot.snapshot_version,
            now=self._tools.clock.micros(),
            last_taken=hot.snapshot_taken,
        )
        self._snapshot = self._snapshotter.take(self.stream, version, hot.state) if is_due else None
        return self._snapshot

    def accepted(self, version: int, position: int, recorded: int) -> None:
        """The write is durable: the kept state is at this version."""
        hot = self._hot
        hot.version = version
        if self._records:
            hot.position = position
            self._records = []
        if self._snapshot is not None:
            hot.snapshot_version, hot.snapshot_taken = version, recorded

    def refused(self) -> None:
        """The write did not hold: the kept state is stale."""
        self._hot.clear()


class TagBoundary:
    """One decision model in a unit of work: the selected records up to a position, guarded by a condition."""

    def __init__(self, cls: type[DecisionModel], command: object, tools: Tools) -> None:
        definition = cls.__everfold__
        values = {tag.field: getattr(command, tag.field) for tag in definition.tags}
        key = ",".join(check_key(key_text(value)) for value in values.values())
        self._definition = definition
        self._tools = tools
        self.state = cls(**values)
        self.stream = stream_name(definition.category, key)
        self.position = 0
        self.selection = Selection.any_of(
            Selection(types=definition.types_by_field[tag.field], tags=(tag_text(tag.tag, values[tag.field]),))
            for tag in definition.tags
        )
        self._records: list[NewRecord] = []

    async def load(self) -> None:
        """Fold every selected record."""
        async for page in self._tools.events.pages(self.selection, page=PAGE):
            fold(self.state, page, self._tools.codec, self._definition.evolutions)
            self.position = page[-1].position

    def decide(self, command: object, encode: Encode) -> Decided:
        """Decide on what was loaded."""

        def keep(event: object) -> object:
            record, copy = encode(event)
            self._records.append(record)
            return copy

        return run_decision(
            self._definition.decisions[type(command)],
            self.state,
            command,
            self._definition.evolutions,
            decided=Decided(),
            checked=self._tools.is_checked,
            keep=keep,
        )

    def append(self) -> StreamAppend:
        """The records, for whatever version their stream has: the condition guards them."""
        return StreamAppend(self.stream, tuple(self._records))
