"""Connections that listen are ended, start late, or are never told: those who wait carry on all the same."""

import asyncio
import threading
from typing import Any

import pytest

from everfold.engines.postgres import listener
from everfold.engines.postgres.connection import Connector, HeldConnection
from everfold.engines.postgres.engine import PostgresEngine
from everfold.testing.contracts.engine_case import stored, to_stream
from tests.postgres.conftest import BenchMaker
from tests.postgres.server import PostgresServer
from tests.reliability.read_side.forks import eventually

ENDS = 20
LIMIT = 30
NEVER = 3600.0
IDLE = b"SELECT pid FROM pg_stat_activity WHERE application_name = %s AND state = 'idle'"
SILENT = """INSERT INTO {schema}.events
SELECT 2, stream, 2, type, schema_version, id || 'b', recorded, data, metadata, tags, checksum FROM {schema}.events"""
END = b"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = %s AND pid <> pg_backend_pid()"


def test_nothing_is_missed_while_all_connections_of_the_readers_are_ended(
    bench_at: BenchMaker, postgres_server: PostgresServer, postgres_url: str
) -> None:
    """A9, A10, A14: again and again, those that listen among them."""
    bench = bench_at(postgres_url)
    bench.writer("p1")
    bench.store = f"{postgres_url}&application_name=reading"
    bench.follower("follower-1")
    bench.follower("follower-2")
    bench.store = postgres_url
    for _ in range(ENDS):
        bench.until_stored(5, "p1")
        postgres_server.execute(END, "reading")
    bench.finish()


async def test_one_who_waits_is_woken_though_the_connection_that_listens_was_ended(
    postgres_server: PostgresServer, postgres_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A14: not by the next look, which would be an hour later, but because it listens again."""
    monkeypatch.setattr(listener, "FLOOR_SECONDS", NEVER)
    name = "waiting"
    waiting, other = PostgresEngine(f"{postgres_url}&application_name={name}"), PostgresEngine(postgres_url)
    await waiting.open()
    await other.open()
    async with asyncio.timeout(LIMIT):
        for number in range(3):
            woken = asyncio.create_task(waiting.wait(number))
            await eventually(lambda: len(postgres_server.execute(IDLE, name)) > 1)  # one reads and one listens
            assert not woken.done()
            postgres_server.execute(END, name)
            (outcome,) = await stored(other, to_stream("thing-a"))
            assert await woken == outcome.last
    await waiting.close()
    await other.close()


async def test_nothing_that_goes_wrong_ends_the_listening(
    postgres_url: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """A14: an error that nobody has thought of is told once, and the thread goes on."""
    waiting, other = PostgresEngine(postgres_url), PostgresEngine(postgres_url)
    await waiting.open()
    await other.open()
    await stored(other, to_stream("thing-a"))
    assert await waiting.wait(-1) == 1
    connect, failures = Connector.connect, [OSError("no descriptors"), RuntimeError("unheard of")]

    def failing(self: Connector) -> HeldConnection:
        if failures and "listener" in threading.current_thread().name:
            raise failures.pop()
        return connect(self)

    monkeypatch.setattr(Connector, "connect", failing)
    woken = asyncio.create_task(waiting.wait(1))
    await eventually(lambda: not failures)
    assert not woken.done()
    await stored(other, to_stream("thing-a"))
    async with asyncio.timeout(LIMIT):
        assert await woken == 2
    await waiting.close()
    await other.close()
    assert caplog.text.count("was interrupted and goes on") == 1


async def test_what_is_committed_before_the_listening_begins_is_delivered_at_once(
    postgres_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A14: between the first look at the log and the LISTEN, when no notification comes and none will."""
    monkeypatch.setattr(listener, "FLOOR_SECONDS", NEVER)
    waiting, other = PostgresEngine(postgres_url), PostgresEngine(postgres_url)
    await waiting.open()
    await other.open()
    loop, execute = asyncio.get_running_loop(), HeldConnection.execute

    def late(self: HeldConnection, query: Any, *values: Any, **options: Any) -> Any:
        if bytes(query).startswith(b"LISTEN"):
            asyncio.run_coroutine_threadsafe(stored(other, to_stream("thing-a")), loop).result(LIMIT)
        return execute(self, query, *values, **options)

    monkeypatch.setattr(HeldConnection, "execute", late)
    async with asyncio.timeout(LIMIT):
        assert await waiting.wait(0) == 1
    await waiting.close()
    await other.close()


async def test_a_commit_nobody_was_told_of_is_found_by_looking(
    postgres_server: PostgresServer, postgres_url: str
) -> None:
    """A14: its process was killed between the commit and the notification."""
    waiting = PostgresEngine(postgres_url)
    await waiting.open()
    await stored(waiting, to_stream("thing-a"))
    woken = asyncio.create_task(waiting.wait(1))
    await asyncio.sleep(0)
    schema = postgres_url.partition("schema=")[2]
    postgres_server.execute(SILENT.replace("{schema}", schema))
    async with asyncio.timeout(LIMIT):
        assert await woken == 2
    await waiting.close()


async def test_many_notifications_while_nobody_takes_them_are_one(postgres_url: str) -> None:
    """A process that waits now and then is not flooded by what happened meanwhile."""
    waiting, other = PostgresEngine(postgres_url), PostgresEngine(postgres_url)
    await waiting.open()
    await other.open()
    heads: list[int] = []

    async def watch() -> None:
        while (head := await waiting.wait(heads[-1] if heads else 0)) < 300:
            heads.append(head)

    watching = asyncio.create_task(watch())
    for _ in range(300):
        await stored(other, to_stream("thing-a"))
    async with asyncio.timeout(LIMIT):
        await watching
    assert heads == sorted(set(heads))
    await waiting.close()
    await other.close()
