"""Servers that cannot be used, or not now: each error says what to do, and no password is ever in one."""

import asyncio
import logging
from collections.abc import AsyncGenerator, Generator
from urllib.parse import quote

import pytest

from everfold import App
from everfold.engines.connect import connect
from everfold.engines.postgres import open_store
from everfold.engines.postgres.engine import PostgresEngine
from everfold.errors import ConfigurationError, EverfoldError, OutcomeUnknown, StoreReadOnly, StoreUnavailable
from everfold.testing.contracts.engine_case import positions, stored, to_stream
from tests.postgres.author import attempt
from tests.postgres.programs import free_port
from tests.postgres.server import PostgresServer
from tests.reliability.read_side.forks import eventually

SECRETS = ["s3cr3t", "s3cr3t:@/?#&%'\\ ", "ś3cr3t+%41", "s3cr3t=s3cr3t"]
LIMITED = "CREATE ROLE limited LOGIN"


@pytest.fixture(scope="module")
def guarded() -> Generator[PostgresServer]:
    """A server that asks some for a password, and has few connections to give to others."""
    with PostgresServer({"fsync": "off"}) as server:
        rules = server.data / "pg_hba.conf"
        rules.write_text(f"host all guarded 127.0.0.1/32 scram-sha-256\n{rules.read_text()}")
        server.configure(log_connections="on")  # which also has it read the rules
        server.execute(b"CREATE ROLE guarded LOGIN")
        server.execute(b"CREATE SCHEMA guarded AUTHORIZATION guarded")
        server.execute(LIMITED)
        yield server


async def refused(url: str, kind: type[EverfoldError]) -> str:
    """Why opening the store is refused; ``connect`` may refuse it already."""
    with pytest.raises(kind) as caught:
        await connect(url, name="bank").open()
    return str(caught.value)


def user_at(server: PostgresServer, user: str, *, password: str = "", schema: str = "guarded") -> str:
    login = f"{user}:{quote(password, safe='')}" if password else user
    return f"postgresql://{login}@127.0.0.1:{server.port}/postgres?schema={schema}"


# --- who is let in


@pytest.mark.parametrize("secret", SECRETS)
async def test_a_wrong_password_is_refused_and_not_shown(guarded: PostgresServer, secret: str) -> None:
    reason = await refused(user_at(guarded, "guarded", password=secret), StoreUnavailable)
    assert "Check the user, the password and pg_hba.conf" in reason
    assert "guarded" in reason
    assert "3cr3t" not in reason
    in_query = f"{guarded.url(schema='bank', user='guarded')}&password={quote(secret, safe='')}"
    assert "3cr3t" not in await refused(in_query, StoreUnavailable)


@pytest.mark.parametrize("secret", SECRETS)
async def test_the_right_password_is_taken_and_never_shown(
    guarded: PostgresServer, secret: str, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither when all goes well nor when the server goes, and not in the log."""
    monkeypatch.setattr(open_store, "PATIENCE_SECONDS", 0.1)
    guarded.execute("ALTER ROLE guarded PASSWORD '{}'".format(secret.replace("'", "''")))
    said: list[str] = []
    with caplog.at_level(logging.DEBUG):
        engine = PostgresEngine(user_at(guarded, "guarded", password=secret))
        await engine.open()
        await stored(engine, to_stream("thing-a"))
        waiting = asyncio.create_task(engine.wait(10**9, timeout=0.5))
        await eventually(lambda: len(guarded.backends("everfold")) > 2)  # one writes, one reads, one listens
        guarded.kill9()
        for asking in (engine.append([to_stream("thing-a")]), engine.checkpoint("a"), engine.append([to_stream("b")])):
            with pytest.raises((StoreUnavailable, OutcomeUnknown)) as caught:
                await asking
            said.append(str(caught.value))
        guarded.start()
        await waiting
        assert await positions(engine) == list(range(1, len(await positions(engine)) + 1))
        await engine.close()
        said.append(str(caught.value))
        with pytest.raises(EverfoldError) as closed:
            await engine.checkpoint("a")
        said.append(str(closed.value))
    assert "3cr3t" not in "".join((*said, caplog.text, guarded.log))


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://u:s3cr3t%zz@127.0.0.1/db",
        "postgresql://u:s3cr3t@h:port/db?x=1",
        "postgresql://u:s3@cr3t:1@h/db?schema=pg_a",
    ],
)
async def test_a_url_that_cannot_be_read_is_refused_without_its_password(url: str) -> None:
    reason = await refused(url, EverfoldError)
    assert "s3cr3t" not in reason
    assert "cr3t:1" not in reason


async def test_nobody_of_this_name(guarded: PostgresServer) -> None:
    assert "Check the user" in await refused(user_at(guarded, "stranger"), StoreUnavailable)


async def test_no_such_database(guarded: PostgresServer) -> None:
    url = guarded.url(schema="bank").replace("/postgres?", "/nowhere?")
    assert "there is no such database. Create it (createdb), or correct the URL" in await refused(url, StoreUnavailable)


async def test_no_server_at_this_port(guarded: PostgresServer) -> None:
    url = guarded.url(schema="bank").replace(str(guarded.port), str(free_port()))
    assert "cannot be reached. Check that it runs and that the URL is right" in await refused(url, StoreUnavailable)


@pytest.mark.parametrize(
    "parameter", ["sslmode=maybe", "unheard=1", "port=x", "connect_timeout=soon", "host=", "client_encoding=latin1"]
)
async def test_a_parameter_that_makes_no_sense(guarded: PostgresServer, parameter: str) -> None:
    if parameter == "host=":
        parameter = "host=%00"
    reason = await refused(f"{guarded.url(schema='bank')}&{parameter}", EverfoldError)
    assert str(guarded.port) in reason


# --- what the database is like


async def test_a_database_of_another_encoding(guarded: PostgresServer) -> None:
    guarded.execute(b"CREATE DATABASE ascii ENCODING 'SQL_ASCII' LOCALE 'C' LOCALE_PROVIDER libc TEMPLATE template0")
    url = guarded.url(schema="bank").replace("/postgres?", "/ascii?")
    reason = await refused(url, ConfigurationError)
    assert "server_encoding = SQL_ASCII, and a store needs UTF8. Create the database with ENCODING 'UTF8'" in reason


async def test_settings_of_a_user_do_not_matter(guarded: PostgresServer) -> None:
    """Whatever somebody has set for the user of the application."""
    guarded.execute(b"CREATE ROLE peculiar LOGIN SUPERUSER")
    for setting in (
        "default_transaction_isolation = 'serializable'",
        "default_transaction_read_only = on",
        "default_transaction_deferrable = on",
        "search_path = ''",
        "synchronous_commit = off",
        "DateStyle = 'SQL, DMY'",
        "bytea_output = 'escape'",
        "transform_null_equals = on",
        "array_nulls = off",
        "plan_cache_mode = 'force_generic_plan'",
        "enable_indexscan = off",
        "idle_session_timeout = '100ms'",
        "client_min_messages = 'debug1'",
    ):
        guarded.execute(f"ALTER ROLE peculiar SET {setting}")
    engines = [PostgresEngine(user_at(guarded, "peculiar", schema="peculiar")) for _ in range(2)]
    for engine in engines:
        await engine.open()
    for number in range(5):
        await asyncio.gather(*(stored(engine, to_stream(f"thing-{number}")) for engine in engines))
        await asyncio.sleep(0.15)  # longer than a session may idle
    assert await positions(engines[0]) == list(range(1, 11))
    await engines[0].views.write(lambda connection: connection.execute("CREATE TABLE seen AS SELECT 1 AS number"))
    for engine in engines:
        await engine.close()


# --- what the user may do


async def test_a_user_without_rights_is_told_whom_to_ask(guarded: PostgresServer) -> None:
    reason = await refused(user_at(guarded, "limited", schema="unmade"), StoreReadOnly)
    assert "the user may not do this. Let the owner of the database grant it the rights" in reason
    assert "permission denied for database" in reason


async def test_a_schema_made_by_the_owner_is_enough(guarded: PostgresServer) -> None:
    guarded.execute(b"CREATE SCHEMA prepared AUTHORIZATION limited")
    engine = PostgresEngine(user_at(guarded, "limited", schema="prepared"))
    await engine.open()
    await stored(engine, attempt("key", {"thing-a": 1}))
    assert await engine.reply("key")
    await engine.views.write(lambda connection: connection.execute("CREATE TABLE rows (number int)"))
    await engine.close()


async def test_a_user_who_may_only_read_reads(guarded: PostgresServer) -> None:
    owner = PostgresEngine(guarded.url(schema="readable"))
    await owner.open()
    await stored(owner, to_stream("thing-a"))
    await owner.close()
    await refused(user_at(guarded, "limited", schema="readable"), StoreReadOnly)
    guarded.execute(b"GRANT USAGE ON SCHEMA readable TO limited")
    guarded.execute(b"GRANT SELECT ON ALL TABLES IN SCHEMA readable TO limited")
    reader = PostgresEngine(user_at(guarded, "limited", schema="readable"))
    await reader.open()
    assert await positions(reader) == [1]
    with pytest.raises(StoreReadOnly, match="permission denied"):
        await reader.append([to_stream("thing-a")])
    assert await positions(reader) == [1]
    await reader.close()


# --- what the server has to give


@pytest.fixture
async def crowded(guarded: PostgresServer, monkeypatch: pytest.MonkeyPatch) -> AsyncGenerator[PostgresEngine]:
    """An engine whose user may have one connection, and which soon gives up waiting for more."""
    monkeypatch.setattr(open_store, "PATIENCE_SECONDS", 0.1)
    guarded.execute(b"DROP SCHEMA IF EXISTS crowded CASCADE")
    guarded.execute(b"CREATE SCHEMA crowded AUTHORIZATION limited")
    guarded.execute(b"ALTER ROLE limited CONNECTION LIMIT 1")
    guarded.wait(lambda: not guarded.execute(b"SELECT 1 FROM pg_stat_activity WHERE usename = 'limited'"), "them to go")
    engine = PostgresEngine(user_at(guarded, "limited", schema="crowded"))
    await engine.open()
    yield engine
    guarded.execute(b"ALTER ROLE limited CONNECTION LIMIT -1")
    await engine.close()


async def test_no_connection_left(guarded: PostgresServer, crowded: PostgresEngine) -> None:
    """Of the server or of the user: what is stored is stored, and it goes on as soon as there are enough."""
    guarded.wait(lambda: not guarded.execute(b"SELECT 1 FROM pg_stat_activity WHERE usename = 'limited'"), "them to go")
    await stored(crowded, to_stream("thing-a"))
    with pytest.raises(StoreUnavailable, match=r"no connection left\. Lower pool_size, or raise max_connections"):
        await positions(crowded)
    await stored(crowded, to_stream("thing-a"))
    guarded.execute(b"ALTER ROLE limited CONNECTION LIMIT 9")
    assert await positions(crowded) == [1, 2]


async def test_a_server_that_goes_and_comes_back(guarded: PostgresServer, monkeypatch: pytest.MonkeyPatch) -> None:
    """Callers are told; and later ones find it again without anybody's help."""
    monkeypatch.setattr(open_store, "PATIENCE_SECONDS", 0.1)
    engine = PostgresEngine(guarded.url(schema="returning"))
    await engine.open()
    await stored(engine, to_stream("thing-a"))
    guarded.stop("fast")
    with pytest.raises(StoreUnavailable, match="Check that it runs"):
        await engine.append([to_stream("thing-a")])
    with pytest.raises(StoreUnavailable, match="Check that it runs"):
        await positions(engine)
    assert "Check that it runs" in await refused(guarded.url(schema="returning"), StoreUnavailable)
    guarded.start()
    await stored(engine, to_stream("thing-a"))
    assert await positions(engine) == [1, 2]
    await engine.close()


async def test_a_table_that_somebody_dropped(guarded: PostgresServer) -> None:
    engine = PostgresEngine(guarded.url(schema="dropped"))
    await engine.open()
    await stored(engine, to_stream("thing-a"))
    guarded.execute(b"DROP SCHEMA dropped CASCADE")
    with pytest.raises(EverfoldError, match="Open the store again, or restore a backup"):
        await engine.append([to_stream("thing-a")])
    with pytest.raises(EverfoldError, match="Open the store again, or restore a backup"):
        await positions(engine)
    await engine.close()


async def test_an_app_says_the_same_when_it_starts(guarded: PostgresServer) -> None:
    app = App("bank", store=user_at(guarded, "guarded", password="s3cr3t"))
    with pytest.raises(StoreUnavailable, match="Check the user, the password") as caught:
        async with app:
            pass
    assert "s3cr3t" not in str(caught.value) + repr(app)
