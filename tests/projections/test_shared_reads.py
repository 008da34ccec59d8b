"""Queries to a server share a view: each gets its own answer, and none spoils another's."""

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from everfold.engines.gathered import MOST_AT_ONCE
from everfold.engines.postgres.engine import PostgresEngine
from everfold.log.read_database import NotNow, ReadDatabase
from everfold.projections.pace import Pace
from everfold.projections.shared_reads import MOST_ANSWERS, SharedReads


class Counted:
    """A database whose views are counted."""

    dialect = "postgresql"

    def __init__(self, database: ReadDatabase) -> None:
        self._database = database
        self.views = 0

    async def read(self, job: Callable[[Any], Any]) -> Any:
        self.views += 1
        return await self._database.read(job)

    async def write(self, job: Callable[[Any], Any]) -> Any:
        return await self._database.write(job)

    def glance(self, job: Callable[[Any], Any]) -> Any:
        return self._database.glance(job)


def started(connection: Any) -> Any:
    """What tells one view from another."""
    return connection.execute("SELECT transaction_timestamp(), pg_backend_pid()").fetchone()


def echo(number: int) -> Callable[[Any, Any], tuple[int, Any]]:
    def job(connection: Any, prepared: Any) -> tuple[int, Any]:
        (found,) = connection.execute("SELECT %s::int", (number,)).fetchone()
        assert started(connection) == prepared
        return found, prepared

    return job


def failing(connection: Any, _: Any) -> None:
    connection.execute("SELECT 1 / 0")


def raising(_connection: Any, _: Any) -> None:
    raise KeyError("absent")


@pytest.fixture
async def engine(postgres_url: str) -> Any:
    engine = PostgresEngine(postgres_url)
    await engine.open()
    yield engine
    await engine.close()


async def test_each_gets_its_own_answer_and_many_share_a_view(engine: PostgresEngine) -> None:
    database = Counted(engine.views)
    reads: SharedReads[Any] = SharedReads(database, Pace(10), started)
    answers = await asyncio.gather(*(reads.look("f", echo(number)) for number in range(100)))
    assert [number for number, _ in answers] == list(range(100))
    assert len({view for _, view in answers}) == database.views <= -(-100 // MOST_ANSWERS) + MOST_AT_ONCE


async def test_what_is_asked_later_sees_what_was_committed_before(engine: PostgresEngine) -> None:
    reads: SharedReads[Any] = SharedReads(engine.views, Pace(10), lambda _: None)
    await engine.views.write(lambda c: c.execute("CREATE TABLE seen (n INT)"))

    def count(connection: Any, _: None) -> int:
        return int(connection.execute("SELECT count(*) FROM seen").fetchone()[0])

    others = [asyncio.ensure_future(reads.look("f", count)) for _ in range(50)]
    for expected in range(1, 6):
        await engine.views.write(lambda c: c.execute("INSERT INTO seen VALUES (1)"))
        assert await reads.look("f", count) == expected
    await asyncio.gather(*others)


async def test_an_error_is_that_of_whoever_made_it(engine: PostgresEngine) -> None:
    reads: SharedReads[Any] = SharedReads(engine.views, Pace(10), started)
    jobs = [echo(1), raising, echo(2), failing, echo(3)]
    first, second, third, fourth, fifth = await asyncio.gather(
        *(reads.look("f", job) for job in jobs), return_exceptions=True
    )
    assert isinstance(first, tuple) and first[0] == 1
    assert isinstance(second, KeyError)
    assert isinstance(third, tuple) and third[0] == 2
    assert "division by zero" in str(fourth)
    assert isinstance(fifth, NotNow)  # the server refuses it: it is asked again by itself
    assert (await reads.look("f", echo(4)))[0] == 4


async def test_a_caller_that_gave_up_disturbs_nobody(engine: PostgresEngine) -> None:
    reads: SharedReads[Any] = SharedReads(engine.views, Pace(10), started)
    futures = [reads.look("f", echo(number)) for number in range(10)]
    for future in futures[::2]:
        future.cancel()
    answers = await asyncio.gather(*futures[1::2])
    assert [number for number, _ in answers] == [1, 3, 5, 7, 9]


async def test_what_takes_long_is_remembered(engine: PostgresEngine) -> None:
    pace = Pace(0.005)
    reads: SharedReads[Any] = SharedReads(engine.views, pace, started)
    await reads.look("quick", echo(1))
    await reads.look("slow", lambda connection, _: connection.execute("SELECT pg_sleep(0.05)").fetchone())
    assert pace.is_quick("quick")
    assert not pace.is_quick("slow")


async def test_an_outage_is_everybodys(postgres_url: str) -> None:
    engine = PostgresEngine(postgres_url)
    await engine.open()
    reads: SharedReads[Any] = SharedReads(engine.views, Pace(10), started)
    futures = [reads.look("f", echo(number)) for number in range(3)]
    await engine.close()
    results = await asyncio.gather(*futures, return_exceptions=True)
    assert all(isinstance(result, tuple) or "open" in str(result) or "closed" in str(result) for result in results)
