"""Memory and a durable engine, driven together by generated writes and reads, agree on every outcome and every record.

The oracle of selections is independent of both: plain comprehensions over what was acknowledged so far.
"""

import asyncio
import itertools
import tempfile
from collections.abc import Coroutine, Sequence
from pathlib import Path
from typing import Any, ClassVar, TypeVar

import msgspec
import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from everfold.engines.memory.engine import MemoryEngine
from everfold.engines.postgres.engine import PostgresEngine
from everfold.engines.sqlite.engine import SqliteEngine
from everfold.log.catalogue import StreamInfo
from everfold.log.checkpoint import Checkpoint
from everfold.log.condition import Condition
from everfold.log.engine import Engine
from everfold.log.idempotency import Repeatable
from everfold.log.record import NewRecord, Record
from everfold.log.selection import EVERYTHING, Selection
from everfold.log.snapshot import Snapshot
from everfold.log.write import Appended, Conflicted, Failed, Outcome, StreamAppend, Write
from everfold.testing.contracts.append_hooks import RowPerRecord, blame
from everfold.testing.contracts.read_databases import create_rows, names
from everfold.testing.frozen_clock import FrozenClock
from tests.postgres.server import PostgresServer

T = TypeVar("T")
STREAMS = ("order-1", "order-2", "orders-1", "cart-1", "cart-1.x")
TYPES = ("placed", "paid", "sent")
TAGS = ("a", "b", "c:1")
KEYS = ("k1", "k2", "k3")

streams, types, tags = st.sampled_from(STREAMS), st.sampled_from(TYPES), st.sampled_from(TAGS)
new_records = st.builds(
    NewRecord,
    type=types,
    schema_version=st.integers(1, 3),
    id=st.integers(1, 10**6).map(lambda number: f"id-{number:08d}"),
    data=st.sampled_from(("{}", '{"text":"ü☃\'\\u0000"}')),
    tags=st.lists(tags, max_size=3).map(tuple),
)
positions = st.integers(-1, 40)
few_types = st.lists(types, max_size=2).map(tuple)
simple_selections = st.builds(
    Selection,
    category=st.none() | st.sampled_from(("order", "cart", "none")),
    stream=st.none() | st.none() | streams,
    types=few_types,
    tags=st.lists(tags, max_size=2).map(tuple),
)
selections = simple_selections | st.lists(simple_selections, min_size=1, max_size=3).map(Selection.any_of)
appends = st.builds(
    StreamAppend,
    stream=streams,
    records=st.lists(new_records, max_size=3).map(tuple),
    expected=st.none() | st.none() | st.integers(0, 6),
)
writes = st.builds(
    Write,
    appends=st.lists(appends, max_size=3).map(tuple),
    condition=st.none() | st.none() | st.builds(Condition, selections, positions),
    repeatable=st.none() | st.builds(Repeatable, st.sampled_from(KEYS), st.just("print"), st.sampled_from(("1", "2"))),
    checkpoints=st.lists(st.builds(Checkpoint, st.sampled_from(("c1", "c2")), positions), max_size=1).map(tuple),
    snapshots=st.lists(
        st.builds(Snapshot, streams, st.integers(1, 9), st.just("print"), st.sampled_from(("{}", "[]"))), max_size=1
    ).map(tuple),
)


class Picky(RowPerRecord):
    """Keeps a row for each record, and cannot apply some of them."""

    def apply(self, records: Sequence[Record]) -> None:
        super().apply(records)
        for record in records:
            if (record.type, record.schema_version) == ("sent", 3):
                raise blame(record)


class Engines(RuleBasedStateMachine):
    """Two engines and what they must contain."""

    def __init__(self) -> None:
        super().__init__()
        self._loop = asyncio.new_event_loop()
        self._folder = tempfile.TemporaryDirectory()
        self._clock = FrozenClock()
        self._stores = 0
        self.memory, self.durable = self._new_stores()
        self.log: list[Record] = []
        self.is_hooked = False

    def _new_stores(self) -> tuple[Engine, Engine]:
        self._stores += 1
        memory, durable = MemoryEngine(clock=self._clock), self._durable()
        for engine in (memory, durable):
            self._await(engine.open())
            self._await(engine.beside.write(create_rows))
        return memory, durable

    def _durable(self) -> Engine:
        path = Path(self._folder.name) / f"log-{self._stores}.db"
        return SqliteEngine(path, clock=self._clock, synchronous="off", readers=1)  # nobody cuts the power here

    def _await(self, work: Coroutine[Any, Any, T]) -> T:
        return self._loop.run_until_complete(work)

    def teardown(self) -> None:
        self._close()
        self._loop.close()
        self._folder.cleanup()

    @rule(batch=st.lists(writes, min_size=1, max_size=4))
    def append(self, batch: list[Write]) -> None:
        here = self._await(self.memory.append(batch))
        there = self._await(self.durable.append(batch))
        assert [essence(outcome) for outcome in here] == [essence(outcome) for outcome in there]
        for write, outcome in zip(batch, here, strict=True):
            if isinstance(outcome, Appended):
                self._note(write, outcome)

    def _note(self, write: Write, outcome: Appended) -> None:
        versions = {name: sum(record.stream == name for record in self.log) for name in STREAMS}
        position = itertools.count(outcome.first)
        for part in write.appends:
            for new in part.records:
                versions[part.stream] += 1
                self.log.append(recorded(new, next(position), part.stream, versions[part.stream], outcome.recorded))

    @rule(seconds=st.integers(0, 3))
    def time_passes(self, seconds: int) -> None:
        self._clock.advance(seconds)

    @rule(
        selection=selections,
        after=positions,
        until=st.none() | positions,
        limit=st.integers(0, 50),
        backwards=st.booleans(),
    )
    def read(self, selection: Selection, after: int, until: int | None, limit: int, backwards: bool) -> None:
        expected = [
            r for r in self.log if means(selection, r) and after < r.position and until_reached(r.position, until)
        ]
        expected = (expected[::-1] if backwards else expected)[:limit]
        for engine in (self.memory, self.durable):
            page = engine.read(selection, after=after, until=until, limit=limit, backwards=backwards)
            assert list(self._await(page)) == expected

    @rule(
        stream=streams,
        after=st.integers(-1, 8),
        until=st.none() | st.integers(-1, 8),
        limit=st.integers(0, 9),
        backwards=st.booleans(),
    )
    def read_stream(self, stream: str, after: int, until: int | None, limit: int, backwards: bool) -> None:
        expected = [r for r in self.log if r.stream == stream and after < r.version and until_reached(r.version, until)]
        expected = (expected[::-1] if backwards else expected)[:limit]
        for engine in (self.memory, self.durable):
            page = engine.read_stream(stream, after=after, until=until, limit=limit, backwards=backwards)
            assert list(self._await(page)) == expected

    @rule(prefix=st.sampled_from(("", "order", "order-", "cart-1", "x")), after=st.just("") | streams)
    def list_streams(self, prefix: str, after: str) -> None:
        names = sorted({r.stream for r in self.log if r.stream.startswith(prefix) and r.stream > after})
        for engine in (self.memory, self.durable):
            found = self._await(engine.streams(prefix=prefix, after=after, limit=3))
            assert [info.stream for info in found] == names[:3]
            assert all(info == self._info(info.stream) for info in found)

    def _info(self, stream: str) -> StreamInfo:
        own = [record for record in self.log if record.stream == stream]
        return StreamInfo(stream, len(own), own[-1].position)

    @rule()
    def look_at_what_is_kept_beside(self) -> None:
        for key in KEYS:
            assert self._await(self.memory.reply(key)) == self._await(self.durable.reply(key))
        assert self._await(self.memory.replies(limit=2)) == self._await(self.durable.replies(limit=2))
        assert self._await(self.memory.checkpoints()) == self._await(self.durable.checkpoints())
        for name in ("c1", "c2", "c3"):
            assert self._await(self.memory.checkpoint(name)) == self._await(self.durable.checkpoint(name))
        for stream in STREAMS:
            assert self._await(self.memory.snapshot(stream)) == self._await(self.durable.snapshot(stream))

    @rule()
    def reopen(self) -> None:
        self._await(self.durable.close())
        self.durable = self._durable()
        self._await(self.durable.open())
        self._hook()

    @rule()
    def keep_inline_rows_or_stop(self) -> None:
        self.is_hooked = not self.is_hooked
        self._hook()

    def _hook(self) -> None:
        for engine in (self.memory, self.durable):
            engine.hook(Picky() if self.is_hooked else None)

    @rule(first=st.integers(0, 20))
    def move(self, first: int) -> None:
        """Each goes on as a restored copy of the other; snapshots and rows stay behind."""
        sources = (self.durable, self.memory)
        targets = self._new_stores()
        for source, target in zip(sources, targets, strict=True):
            replies, checkpoints = self._await(source.replies(limit=100)), self._await(source.checkpoints())
            self._await(target.restore(self.log[:first]))
            self._await(target.restore(self.log[first:], replies=replies, checkpoints=checkpoints))
        self._close()
        self.memory, self.durable = targets
        self._hook()

    def _close(self) -> None:
        self._await(self.memory.close())
        self._await(self.durable.close())

    @invariant()
    def both_hold_the_whole_log(self) -> None:
        for engine in (self.memory, self.durable):
            assert list(self._await(engine.read(EVERYTHING, limit=1_000))) == self.log
            assert self._await(engine.wait(-1)) == len(self.log)
            assert self._await(engine.verify(after=0, limit=1_000)).damages == ()

    @invariant()
    def rows_of_the_hook_are_the_same(self) -> None:
        here, there = (self._await(engine.beside.read(names)) for engine in (self.memory, self.durable))
        assert here == there
        assert set(here) <= {f"{record.position:03} {record.type}" for record in self.log}


def essence(outcome: Outcome) -> object:
    """What must be equal. Which record of several breaks a condition is left to the engine."""
    if isinstance(outcome, Failed):
        return Failed
    if isinstance(outcome, Conflicted):
        return (Conflicted, outcome.stream, outcome.expected, outcome.actual) if outcome.expected is not None else None
    return outcome


def until_reached(number: int, until: int | None) -> bool:
    return until is None or number <= until


def recorded(new: NewRecord, position: int, stream: str, version: int, time: int) -> Record:
    fields = msgspec.structs.asdict(new)
    return Record(position=position, stream=stream, version=version, recorded=time, **fields)


def means(selection: Selection, record: Record) -> bool:
    """The meaning of selections, written down once more."""
    if selection.alternatives:
        return any(means(alternative, record) for alternative in selection.alternatives)
    wrong = [
        selection.category is not None and not record.stream.startswith(selection.category + "-"),
        selection.stream is not None and record.stream != selection.stream,
        bool(selection.types) and record.type not in selection.types,
        bool(set(selection.tags) - set(record.tags)),
    ]
    return not any(wrong)


class EnginesOnPostgres(Engines):
    """Memory and PostgreSQL."""

    server: ClassVar[PostgresServer]

    def _durable(self) -> Engine:
        schema = f"agree_{Path(self._folder.name).name}_{self._stores}".lower()
        return PostgresEngine(self.server.url(schema=schema), clock=self._clock, readers=1)


FEW = [HealthCheck.too_slow, HealthCheck.data_too_large]
EnginesAgree = Engines.TestCase
EnginesAgree.settings = settings(max_examples=80, stateful_step_count=30, deadline=None, suppress_health_check=FEW)


class TestMemoryAndPostgres(EnginesOnPostgres.TestCase):  # type: ignore[valid-type, misc]
    settings = settings(max_examples=20, stateful_step_count=30, deadline=None, suppress_health_check=FEW)

    @pytest.fixture(autouse=True)
    def server(self, postgres_server: PostgresServer) -> None:
        EnginesOnPostgres.server = postgres_server
