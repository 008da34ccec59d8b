"""A15, A16, A18: delivery is at least once, the effect once. Spans that come twice, late, early or from a former leader
change nothing."""

import asyncio
import random
from collections.abc import AsyncGenerator, Sequence
from pathlib import Path
from typing import Any

import pytest

from everfold import App, Projection
from everfold.log.selection import EVERYTHING
from everfold.projections.build_writer import BuildWriter
from everfold.projections.builds import ACTIVE, create
from everfold.subscriptions.bookkeeping import prepare
from everfold.subscriptions.subscription import Fenced, Moved
from tests.reliability.read_side.examination import Examiner
from tests.reliability.read_side.ledger import EVENTS, FOLDS, projections
from tests.reliability.read_side.roles import History

TOKEN = 5
SPAN = 6
EVENTFUL = 120
PROJECTIONS = {projection.__everfold__.name: projection for projection in projections()}


class Bench:
    """A log, and one projection whose writer is driven by hand."""

    def __init__(self, app: App, projection: type[Projection], store: Path) -> None:
        self.app = app
        self.examiner = Examiner(store)
        self._views = app.store.engine.views
        self._projection = projection
        self._store = store

    async def prepare(self) -> None:
        """Write a log, and make the tables and a lease."""
        history = History("1", unlucky=0.0)
        happened = [history.next() for _ in range(EVENTFUL)]
        await asyncio.gather(*(self.app.store.append(stream, *events) for stream, events in happened))
        self.log = list(await self.app.store.engine.read(EVERYTHING, limit=1_000))
        await self._views.write(self._prepare)
        self.writer = self.new_writer()
        await self.resume(self.writer, TOKEN)

    def _prepare(self, connection: Any) -> None:
        prepare(connection, "sqlite")
        self._build = create(connection, "sqlite", self._projection, "print", ACTIVE, recorded=0).build
        lease = (f"projection {self._projection.__everfold__.name} 1", "me", 100, 0)
        connection.execute("INSERT INTO everfold_leases VALUES (?, ?, ?, ?)", lease)

    def new_writer(self) -> BuildWriter:
        """A writer as another process would have it."""
        codec = self.app.store.codec
        return BuildWriter(self._projection, self._build, dialect="sqlite", codec=codec, clock=self.app.clock)

    async def resume(self, writer: BuildWriter, token: int) -> int:
        """Have a writer take the fence; the position."""
        position, _ = await self._views.write(lambda connection: writer.resume(connection, token))
        return position

    async def deliver(self, after: int, *, writer: BuildWriter | None = None, token: int = TOKEN) -> int:
        """Have a writer apply the span behind a position; the position that was reached."""
        writer = writer or self.writer
        until = min(after + SPAN, len(self.log))
        records = [record for record in self.log[after:until] if record.type in writer.types]
        try:
            applied = await self._views.write(
                lambda connection: writer.apply(connection, records, after=after, position=until, token=token)
            )
        except BaseException:
            writer.undone()
            raise
        return applied.position

    def content(self) -> tuple[object, ...]:
        """Everything in the file, which must be in order."""
        assert self.examiner.faults() == []
        return tuple(self.examiner.builds)


@pytest.fixture(params=FOLDS)
async def bench(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncGenerator[Bench]:
    async with App("ledger", store=str(tmp_path / "ledger.db"), events=EVENTS) as app:
        found = Bench(app, PROJECTIONS[request.param], tmp_path / "ledger.db")
        await found.prepare()
        yield found


async def test_a_span_that_comes_again_changes_nothing(bench: Bench) -> None:
    await bench.deliver(0)
    before = bench.content()
    for _ in range(10):
        with pytest.raises(Moved):
            await bench.deliver(0)
        assert bench.content() == before
    assert await bench.deliver(SPAN) == 2 * SPAN


async def test_a_span_that_comes_too_early_or_late_changes_nothing(bench: Bench) -> None:
    chance, reached = random.Random(1), 0
    while reached < len(bench.log):
        for after in chance.sample(range(0, len(bench.log), SPAN), 4):
            if after != reached:
                with pytest.raises(Moved):
                    await bench.deliver(after)
        assert bench.examiner.faults() == []
        reached = await bench.deliver(reached)
    bench.content()


async def test_whoever_has_an_older_token_changes_nothing(bench: Bench) -> None:
    """Also when the span is the very next one."""
    old, new = bench.writer, bench.new_writer()
    reached = await bench.deliver(0, writer=old)
    assert await bench.resume(new, TOKEN + 1) == reached
    with pytest.raises(Fenced):
        await bench.deliver(reached, writer=old)
    before = bench.content()
    for after in (0, reached):
        with pytest.raises(Fenced):
            await bench.deliver(after, writer=old)
    with pytest.raises(Fenced):
        await bench.resume(old, TOKEN)
    assert bench.content() == before
    assert await bench.deliver(reached, writer=new, token=TOKEN + 1) == 2 * SPAN


async def test_two_that_deliver_everything_all_the_time_have_the_effect_once(bench: Bench) -> None:
    """Even with one and the same token, as if the lease had failed."""

    async def insist(writer: BuildWriter, chance: random.Random) -> None:
        reached = await bench.resume(writer, TOKEN)
        while reached < len(bench.log):
            try:
                reached = await bench.deliver(chance.choice((reached, max(0, reached - SPAN))), writer=writer)
            except Moved:
                reached = await bench.resume(writer, TOKEN)

    await asyncio.gather(*(insist(bench.new_writer(), random.Random(seed)) for seed in range(3)))
    bench.content()
    assert bench.examiner.builds[0].position == len(bench.log)


async def test_rows_that_another_changed_meanwhile_are_read_anew(bench: Bench) -> None:
    """A writer remembers rows between spans; whoever wrote in between must not be overwritten by that memory."""
    first, second = bench.new_writer(), bench.new_writer()
    reached, token = 0, TOKEN
    writers: Sequence[BuildWriter] = (first, second)
    while reached < len(bench.log):
        token += 1
        writer = writers[token % 2]
        assert await bench.resume(writer, token) == reached
        reached = await bench.deliver(reached, writer=writer, token=token)
    bench.content()


def test_the_log_of_these_tests_has_something_for_every_projection() -> None:
    """All four kinds of rows come to be, and go."""
    history = History("1", unlucky=0.0)
    kinds = {type(event).__name__ for _ in range(EVENTFUL) for event in history.next()[1]}
    assert kinds >= {"Opened", "Paid", "Placed", "Cancelled", "Closed"}
