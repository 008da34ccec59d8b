"""Behind pgbouncer in transaction mode: all of it works, and those who wait look now and then instead of listening."""

import asyncio
from collections.abc import AsyncGenerator, Generator
from typing import Any

import pytest

from everfold.engines.postgres.engine import PostgresEngine
from everfold.log.condition import Condition
from everfold.log.selection import Selection
from everfold.log.write import Appended, Conflicted, StreamAppend, Write
from everfold.testing.contracts.engine_case import fresh, one, positions, stored, to_stream, whole_log
from tests.postgres.conftest import BenchMaker
from tests.postgres.pooler import Pooler
from tests.postgres.roles import RowPerRecord
from tests.postgres.server import PostgresServer

LIMIT = 30


@pytest.fixture
def pooler(postgres_server: PostgresServer) -> Generator[Pooler]:
    with Pooler(postgres_server, size=3) as pooler:
        yield pooler


@pytest.fixture
def pooled_url(pooler: Pooler, postgres_url: str) -> str:
    return pooler.url(schema=postgres_url.partition("schema=")[2])


@pytest.fixture
async def engine(pooled_url: str) -> AsyncGenerator[PostgresEngine]:
    engine = PostgresEngine(pooled_url)
    await engine.open()
    yield engine
    await engine.close()


async def test_appends_reads_and_conditions(engine: PostgresEngine) -> None:
    """Many more times than a connection prepares a statement after."""
    for number in range(30):
        await stored(engine, to_stream("thing-a", *fresh(tags=("a",)), expected=number))
        await asyncio.gather(*(engine.read_stream("thing-a", limit=5) for _ in range(4)))
    assert await positions(engine) == list(range(1, 31))
    tagged = Selection(tags=("a",))
    late = Write(appends=(StreamAppend("thing-b", fresh()),), condition=Condition(tagged, 29))
    assert isinstance(await one(engine, late), Conflicted)
    found = await engine.read(Selection(tags=("a",)) | Selection(stream="thing-b"), after=20, limit=100)
    assert len(found) == 10


async def test_one_who_waits_is_woken_by_commits_of_others(engine: PostgresEngine, postgres_url: str) -> None:
    other = PostgresEngine(postgres_url)
    await other.open()
    async with asyncio.timeout(LIMIT):
        for number in range(10):
            woken = asyncio.create_task(engine.wait(number))
            await asyncio.sleep(0)
            await stored(other, to_stream("thing-a"))
            assert await woken == number + 1
    await other.close()


async def test_read_models(engine: PostgresEngine) -> None:
    """Jobs see one view of the database, and hooks write with the append."""

    def count(connection: Any) -> int:
        (found,) = connection.execute("SELECT count(*) FROM numbers").fetchone()
        return int(found)

    await engine.views.write(lambda connection: connection.execute("CREATE TABLE numbers (number int)"))
    for number in range(10):
        await engine.views.write(lambda c, number=number: c.execute("INSERT INTO numbers VALUES (%s)", [number]))  # type: ignore[misc]
        assert await engine.views.read(count) == number + 1
    await engine.beside.write(lambda connection: connection.execute("DELETE FROM numbers"))
    assert await engine.beside.read(count) == 0
    engine.hook(RowPerRecord())
    assert isinstance(await one(engine, to_stream("thing-a")), Appended)
    rows = await engine.beside.read(lambda connection: connection.execute("SELECT * FROM applied").fetchall())
    assert rows == [(record.position,) for record in await whole_log(engine)]


def test_many_processes_through_a_pooler_that_is_killed(pooler: Pooler, pooled_url: str, bench_at: BenchMaker) -> None:
    """A1 to A11, A13, A14: with fewer sessions than connections, and all of them lost in between."""
    bench = bench_at(pooled_url)
    bench.follower("follower-1")
    bench.writer("p1")
    bench.writer("p2", hooked=True)
    for _ in range(3):
        bench.until_stored(50, "p1", "p2")
        pooler.kill9()
        pooler.start()
    bench.until_stored(50, "p1", "p2")
    bench.finish()
    assert {each.said.partition(":")[0] for each in bench.history.told("failed")} <= {"StoreUnavailable"}
