"""What PostgreSQL is asked to promise, whatever its settings say."""

from collections.abc import AsyncGenerator

import psycopg
import pytest

from everfold.engines.postgres.engine import PostgresEngine
from everfold.log.write import Appended
from everfold.testing.contracts.engine_case import one, to_stream
from tests.postgres.server import PostgresServer


@pytest.fixture
async def relaxed(postgres_server: PostgresServer, postgres_url: str) -> AsyncGenerator[PostgresEngine]:
    """An engine whose role is set to lose commits at a power cut."""
    postgres_server.execute("CREATE ROLE relaxed SUPERUSER LOGIN")
    postgres_server.execute("ALTER ROLE relaxed SET synchronous_commit = off")
    engine = PostgresEngine(postgres_url.replace("postgres@", "relaxed@"))
    await engine.open()
    yield engine
    await engine.close()
    postgres_server.execute("DROP OWNED BY relaxed CASCADE")
    postgres_server.execute("DROP ROLE relaxed")


def keep_setting(engine: PostgresEngine, connection: psycopg.Connection[tuple[object, ...]]) -> None:
    """Have every record note how its transaction is going to be committed."""
    schema = engine.url.schema
    connection.execute(f"CREATE TABLE {schema}.noted (setting text)".encode())
    body = "BEGIN INSERT INTO {}.noted VALUES (current_setting('synchronous_commit')); RETURN NEW; END".replace(
        "{}", schema
    )
    connection.execute(f"CREATE FUNCTION {schema}.note() RETURNS trigger LANGUAGE plpgsql AS '{quoted(body)}'".encode())
    connection.execute(
        f"CREATE TRIGGER note AFTER INSERT ON {schema}.events FOR EACH ROW EXECUTE FUNCTION {schema}.note()".encode()
    )


def quoted(text: str) -> str:
    return text.replace("'", "''")


async def test_an_append_is_synced_also_where_commits_are_not(
    relaxed: PostgresEngine, postgres_server: PostgresServer
) -> None:
    with postgres_server.connect() as connection:
        keep_setting(relaxed, connection)
        assert isinstance(await one(relaxed, to_stream("thing-a")), Appended)
        assert connection.execute(f"TABLE {relaxed.url.schema}.noted".encode()).fetchall() == [("on",)]


async def test_what_is_written_beside_the_log_is_synced_too(relaxed: PostgresEngine) -> None:
    show = "SELECT current_setting('synchronous_commit')"
    assert await relaxed.beside.write(lambda c: c.execute(show).fetchone()) == ("on",)
    assert await relaxed.views.write(lambda c: c.execute(show).fetchone()) == ("off",)


async def test_a_setting_that_promises_more_is_left_as_it_is(
    postgres_url: str, postgres_server: PostgresServer
) -> None:
    postgres_server.execute("CREATE ROLE careful SUPERUSER LOGIN")
    postgres_server.execute("ALTER ROLE careful SET synchronous_commit = remote_apply")
    engine = PostgresEngine(postgres_url.replace("postgres@", "careful@"))
    await engine.open()
    show = "SELECT current_setting('synchronous_commit')"
    assert await engine.beside.write(lambda c: c.execute(show).fetchone()) == ("remote_apply",)
    await engine.close()
