"""The schema is made and upgraded by several processes at once, and under load; what is too new is refused."""

import pytest

from everfold.engines.postgres import schema
from everfold.engines.postgres.engine import PostgresEngine
from everfold.errors import StoreBusy, StoreTooNew
from everfold.testing.contracts.engine_case import positions, stored, to_stream
from tests.postgres.conftest import BenchMaker
from tests.postgres.server import PostgresServer
from tests.reliability.read_side.forks import Forks

PROCESSES = 8
ADDING = """-- compatible with: 1
ALTER TABLE {schema}.events ADD COLUMN remark text;
CREATE INDEX events_by_remark ON {schema}.events (remark);
"""
BREAKING = """-- compatible with: 2
ALTER TABLE {schema}.everfold_head ADD COLUMN remark text;
"""
NEW = "SELECT remark FROM {schema}.events LIMIT 1"
READING = "SELECT count(*) FROM {schema}.events"
VERSIONS = "SELECT version, compatible FROM {schema}.everfold_store ORDER BY version"


def opened(forks: Forks, store: str, **options: object) -> list[object]:
    """What a number of processes say that open the store at once."""
    processes = [forks.start("open", store=store, **options) for _ in range(PROCESSES)]
    said = [process.hears("opened", "refused", seconds=60) for process in processes]
    assert [forks.reap(process.pid) for process in processes] == [0] * PROCESSES
    return list(said)


def test_a_new_schema_may_be_made_by_eight_processes_at_once(postgres_forks: Forks, postgres_url: str) -> None:
    """Promise 8 at its beginning: one of them makes it, and the others find it."""
    assert opened(postgres_forks, postgres_url) == [["opened", 0]] * PROCESSES


def test_an_upgrade_runs_once_under_load_while_the_version_before_goes_on(
    bench_at: BenchMaker, postgres_forks: Forks, postgres_server: PostgresServer, postgres_url: str
) -> None:
    """A rolling restart: eight new processes come while old ones append and read, and old ones may still come."""
    bench = bench_at(postgres_url)
    bench.follower("follower-1")
    bench.writer("p1")
    bench.writer("p2")
    bench.until_stored(20, "p1", "p2")
    said = opened(postgres_forks, postgres_url, upgrade=ADDING)
    assert {str(each)[:9] for each in said} == {"['opened'"}
    bench.writer("p3")
    bench.until_stored(100, "p1", "p2", "p3")
    bench.finish()
    assert bench.history.told("failed", "unknown") == []
    assert bench.history.unread == []
    name = postgres_url.partition("schema=")[2]
    assert postgres_server.execute(VERSIONS.replace("{schema}", name)) == [(1, 1), (2, 1)]
    assert len(postgres_server.execute(NEW.replace("{schema}", name))) == 1


def test_a_store_of_a_newer_version_is_refused_and_left_as_it_was(
    postgres_forks: Forks, postgres_server: PostgresServer, postgres_url: str
) -> None:
    name = postgres_url.partition("schema=")[2]
    assert len(opened(postgres_forks, postgres_url, upgrade=BREAKING)) == PROCESSES
    before = postgres_server.execute(VERSIONS.replace("{schema}", name))
    assert before == [(1, 1), (2, 2)]
    said = opened(postgres_forks, postgres_url)
    assert {str(each).partition(",")[0] for each in said} == {"['refused'"}
    assert "StoreTooNew" in str(said[0])
    assert postgres_server.execute(VERSIONS.replace("{schema}", name)) == before


async def test_who_was_there_before_an_upgrade_that_breaks_is_refused_when_it_comes_back(
    postgres_forks: Forks, postgres_url: str
) -> None:
    engine = PostgresEngine(postgres_url)
    await engine.open()
    opened(postgres_forks, postgres_url, upgrade=BREAKING)
    await engine.close()
    with pytest.raises(StoreTooNew):
        await engine.open()


async def test_an_upgrade_that_cannot_have_its_lock_is_given_up_and_tried_again_later(
    postgres_server: PostgresServer, postgres_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It waits in short steps, so that those behind it in the queue get their turn."""
    engine = PostgresEngine(postgres_url)
    await engine.open()
    monkeypatch.setattr(schema, "UPGRADES", [*schema.UPGRADES, ADDING])
    monkeypatch.setattr(schema, "STEP_SECONDS", 0.1)
    upgrading = PostgresEngine(postgres_url, lock_timeout=0.3)
    with postgres_server.connect() as reading:
        reading.execute(b"BEGIN")
        reading.execute(READING.replace("{schema}", postgres_url.partition("schema=")[2]).encode())
        with pytest.raises(StoreBusy, match="Retry, or raise lock_timeout"):
            await upgrading.open()
        await stored(engine, to_stream("thing-a"))
        reading.execute(b"ROLLBACK")
    await upgrading.open()
    await stored(upgrading, to_stream("thing-a"))
    assert await positions(engine) == [1, 2]
    await upgrading.close()
    await engine.close()


async def test_an_upgrade_that_fails_leaves_nothing_behind(
    postgres_server: PostgresServer, postgres_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = PostgresEngine(postgres_url)
    await before.open()
    monkeypatch.setattr(schema, "UPGRADES", [*schema.UPGRADES, f"{ADDING} SELECT 1 / 0;"])
    with pytest.raises(Exception, match="division by zero"):
        await PostgresEngine(postgres_url).open()
    name = postgres_url.partition("schema=")[2]
    assert postgres_server.execute(VERSIONS.replace("{schema}", name)) == [(1, 1)]
    await stored(before, to_stream("thing-a"))
    await before.close()
