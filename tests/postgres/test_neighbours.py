"""Several applications and tenants in one database: they never touch each other, nor what belongs to somebody else."""

import asyncio
from pathlib import Path

import pytest

from everfold import App
from everfold.engines.postgres.engine import PostgresEngine
from everfold.errors import ConfigurationError, NotAStore
from everfold.testing.contracts.engine_case import positions, stored, to_stream
from tests.app.bank import Account, Opened, Paid
from tests.app.stores import contents
from tests.postgres.bench import benched
from tests.postgres.server import PostgresServer
from tests.reliability.read_side.forks import Forks

RELATIONS = b"SELECT relname FROM pg_class WHERE relnamespace = to_regnamespace(%s)"
HOSTILE = ['"; DROP SCHEMA bank; --', "a'b", "{schema}", "Ünïcode Bank", "a.b", "select", "x" * 63, "a\\b", "$1"]


async def test_two_applications_in_one_database_have_logs_of_their_own(postgres_server: PostgresServer) -> None:
    """A23, and a fault of a peer: one application's event landed in another's table."""
    url = postgres_server.url()
    async with App("first bank", Account, store=url) as one, App("second_bank", Account, store=url) as other:
        await one.store.append("account-a1", Opened(owner="Ada"))
        assert await contents(other) == []
        await other.store.append("account-a1", Paid(amount=2))
        assert [(each.position, each.type) for each in await contents(one)] == [(1, "opened")]
        assert [(each.position, each.type) for each in await contents(other)] == [(1, "paid")]
        schemas = postgres_server.execute(b"SELECT nspname FROM pg_namespace WHERE nspname LIKE '%%_bank' ORDER BY 1")
        assert schemas == [("first_bank",), ("second_bank",)]


def test_two_tenants_of_one_application_write_at_once(
    postgres_server: PostgresServer, postgres_forks: Forks, tmp_path: Path
) -> None:
    """A23: with the very same streams, keys, tags and event ids; each has a history of its own without a fault."""
    stores = [postgres_server.url(schema=f"bank_of_{tenant}") for tenant in ("ada", "ben")]
    with (
        benched(stores[0], tmp_path / "ada", postgres_forks) as ada,
        benched(stores[1], tmp_path / "ben", postgres_forks) as ben,
    ):
        for bench in (ada, ben):
            bench.follower("follower-1")
            bench.writer("p1")
            bench.writer("p2")
        for bench in (ada, ben):
            bench.until_stored(100, "p1", "p2")
        ada.finish()
        ben.finish()


@pytest.mark.parametrize("thing", ["TABLE {schema}.events (number int)", "VIEW {schema}.things AS SELECT 1 AS number"])
async def test_a_schema_of_somebody_else_is_refused_and_left_as_it_was(
    postgres_server: PostgresServer, postgres_url: str, thing: str
) -> None:
    schema = postgres_url.partition("schema=")[2]
    postgres_server.execute(f"CREATE SCHEMA {schema}")
    postgres_server.execute(f"CREATE {thing.replace('{schema}', schema)}")
    before = postgres_server.execute(RELATIONS, schema)
    with pytest.raises(
        NotAStore, match=r"holds tables of somebody else\..*left untouched; give the store a schema of its"
    ):
        await PostgresEngine(postgres_url).open()
    assert postgres_server.execute(RELATIONS, schema) == before


@pytest.mark.parametrize("name", HOSTILE)
async def test_a_schema_may_have_any_name(postgres_server: PostgresServer, name: str) -> None:
    """As it is, quoted: nothing in it is ever taken for SQL."""
    engine = PostgresEngine(postgres_server.url(schema=name))
    await engine.open()
    waiting = asyncio.create_task(engine.wait(0))
    await stored(engine, to_stream("thing-a"))
    assert await asyncio.wait_for(waiting, 30) == 1
    assert await positions(engine) == [1]
    await engine.views.write(lambda connection: connection.execute("CREATE TABLE mine AS SELECT 1 AS number"))
    await engine.close()
    found = postgres_server.execute(
        b"SELECT count(*) FROM pg_class WHERE relnamespace = (SELECT oid FROM pg_namespace WHERE nspname = %s)"
        b" AND relname IN ('events', 'mine')",
        name,
    )
    assert found == [(2,)]


@pytest.mark.parametrize(
    "name", ["", "public", "pg_catalog", "pg_mine", "information_schema", "x" * 64, "ü" * 32, "a\0b", "%s", "$$"]
)
def test_a_schema_that_cannot_hold_a_store_is_refused(postgres_server: PostgresServer, name: str) -> None:
    with pytest.raises(ConfigurationError, match="Give one of its own to each application"):
        PostgresEngine(postgres_server.url(schema=name))
