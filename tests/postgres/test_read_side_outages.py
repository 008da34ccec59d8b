"""Read models while the server is killed and comes back: they end as the fold of the log, without anybody's help."""

import asyncio
from collections import Counter
from collections.abc import Generator
from contextlib import suppress

import pytest

from everfold import (
    Aggregate,
    App,
    Command,
    Event,
    Events,
    Projection,
    Query,
    ReadModel,
    Record,
    Table,
    answer,
    decide,
    evolve,
    project,
)
from everfold.errors import OutcomeUnknown, StoreError
from tests.postgres.server import PostgresServer

OUTAGES = 4
CALLERS = 8
ENOUGH = 120.0


class Counted(Event):
    amount: int


class Count(Command):
    counter_id: str
    amount: int


class Tally(Aggregate, key="counter_id"):
    total: int = 0

    @decide
    def count(self, command: Count) -> Events:
        yield Counted(amount=command.amount)

    @evolve
    def counted(self, event: Counted) -> None:
        self.total += event.amount


class Followed(ReadModel, key="counter_id"):
    counter_id: str
    total: int
    events: int


class AtOnce(ReadModel, key="counter_id"):
    counter_id: str
    total: int
    events: int


class GetFollowed(Query[list[Followed]]):
    pass


class GetAtOnce(Query[list[AtOnce]]):
    pass


class Follows(Projection):
    rows: Table[Followed]

    @project
    def counted(self, event: Counted, record: Record) -> None:
        row = self.rows.get(record.key) or Followed(counter_id=record.key, total=0, events=0)
        self.rows.put(Followed(counter_id=record.key, total=row.total + event.amount, events=row.events + 1))

    @answer
    def all(self, _: GetFollowed) -> list[Followed]:
        return self.rows.find()


class WithTheLog(Projection, mode="inline"):
    rows: Table[AtOnce]

    @project
    def counted(self, event: Counted, record: Record) -> None:
        row = self.rows.get(record.key) or AtOnce(counter_id=record.key, total=0, events=0)
        self.rows.put(AtOnce(counter_id=record.key, total=row.total + event.amount, events=row.events + 1))

    @answer
    def all(self, _: GetAtOnce) -> list[AtOnce]:
        return self.rows.find()


@pytest.fixture
def server() -> Generator[PostgresServer]:
    with PostgresServer() as server:
        yield server


class Caller:
    """Counts up, each time until it knows that it was counted."""

    def __init__(self, app: App, number: int) -> None:
        self._app = app
        self._id = f"c{number % 3}"
        self._number = number
        self.done = 0

    async def go_on(self) -> None:
        while True:
            key = f"{self._number}-{self.done}"
            with suppress(StoreError, OutcomeUnknown):
                await self._app.execute(Count(counter_id=self._id, amount=1), idempotency_key=key)
                self.done += 1


async def test_read_models_survive_their_server(server: PostgresServer) -> None:
    app = App("counting", Tally, Follows, WithTheLog, store=server.url(schema="counting"))
    async with app, asyncio.timeout(ENOUGH):
        callers = [Caller(app, number) for number in range(CALLERS)]
        tasks = [asyncio.create_task(caller.go_on()) for caller in callers]
        for _ in range(OUTAGES):
            await progress(callers, 3)
            await asyncio.to_thread(restart, server)
        await progress(callers, 3)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        last = await app.execute(Count(counter_id="last", amount=1))
        expected = await fold(app)
        assert sum(expected.values()) >= sum(caller.done for caller in callers)
        for row in await app.ask(GetFollowed(), after=last, timeout=ENOUGH):
            assert row.total == row.events == expected[row.counter_id]
        at_once = await app.ask(GetAtOnce(), after=last)
        assert {row.counter_id: row.total for row in at_once} == dict(expected)


def restart(server: PostgresServer) -> None:
    server.kill9()
    server.start()


async def progress(callers: list[Caller], more: int) -> None:
    """Wait until every one of them has counted so many more."""
    goals = [caller.done + more for caller in callers]
    while any(caller.done < goal for caller, goal in zip(callers, goals, strict=True)):  # noqa: ASYNC110
        await asyncio.sleep(0.01)


async def fold(app: App) -> Counter[str]:
    """What the log says; every key of a caller counts once, however often it was tried."""
    counts: Counter[str] = Counter()
    async for record in app.store.records():
        counts[record.key] += 1
    return counts
