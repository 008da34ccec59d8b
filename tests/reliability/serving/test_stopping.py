"""A service that is stopped under load: what it has acknowledged is in the log, once, and it ends in good order."""

import asyncio
import os
import signal
import sys
from pathlib import Path

import httpx
import pytest

from tests.reliability.serving.service import Clients, check, is_alive, service

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="signals are sent")
CLIENTS = 8
ENOUGH = 150
STOPPED = "Everything acknowledged is stored.\n"


@pytest.mark.parametrize(
    ("workers", "number"), [(1, signal.SIGTERM), (1, signal.SIGINT), (2, signal.SIGTERM), (2, signal.SIGINT)]
)
async def test_nothing_acknowledged_is_lost(tmp_path: Path, workers: int, number: signal.Signals) -> None:
    store = tmp_path / "log.db"
    with service(store, "--workers", str(workers)) as running:
        clients = Clients(running.url)
        async with clients.at_work(CLIENTS):
            await clients.until(ENOUGH)
            running.stop(number)
        code, errors = await asyncio.to_thread(running.ended)
        assert (code, errors[-len(STOPPED) :]) == (0, STOPPED), errors
        assert "Traceback" not in errors
        assert not any(map(is_alive, running.processes))
    assert not [told for told in clients.refused if told[0] != 503]
    await check(store, clients)


@pytest.mark.parametrize("workers", [1, 2])
async def test_live_clients_are_told_good_bye(tmp_path: Path, workers: int) -> None:
    """Their answers end as answers do, and nobody waits for them."""
    with service(tmp_path / "log.db", "--workers", str(workers), shutdown_timeout="1000") as running:
        async with (
            httpx.AsyncClient(base_url=running.url, timeout=60) as client,
            client.stream("GET", "/events/live") as answer,
            asyncio.timeout(60),
        ):
            assert answer.status_code == 200
            lines = answer.aiter_lines()
            assert await anext(lines)
            running.stop(signal.SIGTERM)
            async for _ in lines:
                pass
        code, errors = await asyncio.to_thread(running.ended)
        assert code == 0, errors


async def test_the_second_time_it_does_not_wait(tmp_path: Path) -> None:
    """A request whose body does not come is under way for long."""
    with service(tmp_path / "log.db", shutdown_timeout="1000", request_timeout="1000") as running:
        url = httpx.URL(running.url)
        reader, writer = await asyncio.open_connection(url.host, url.port)
        head = "POST /commands/deposit HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
        writer.write(f"{head}Content-Length: 9\r\nExpect: 100-continue\r\n\r\n".encode())
        async with asyncio.timeout(60):
            assert b" 100 Continue" in await reader.readuntil(b"\r\n\r\n"), "it is being dealt with"
            running.stop(signal.SIGINT)
            await until_refused(url)
            running.stop(signal.SIGINT)
            assert await reader.read() == b""
        code, errors = await asyncio.to_thread(running.ended)
        writer.close()
        assert code == 0
        assert errors.splitlines()[-2:] == [
            "1 requests did not end in time. Their connections are closed without an answer.",
            "Stopped at position 0. Everything acknowledged is stored.",
        ]


async def until_refused(url: httpx.URL) -> None:
    """Wait until it takes no more connections."""
    while True:
        try:
            _, writer = await asyncio.open_connection(url.host, url.port)
        except ConnectionError:
            return
        writer.close()


async def test_a_worker_that_dies_is_replaced(tmp_path: Path) -> None:
    store = tmp_path / "log.db"
    with service(store, "--workers", "2") as running:
        clients = Clients(running.url)
        async with clients.at_work(CLIENTS):
            await clients.until(ENOUGH)
            os.kill(running.processes[0], signal.SIGKILL)
            await clients.until(ENOUGH + len(clients.acknowledged))
            await asyncio.to_thread(running.until_said, " serves.")
            await clients.until(ENOUGH + len(clients.acknowledged))
            clients.end()
        running.stop(signal.SIGTERM)
        assert (await asyncio.to_thread(running.ended))[0] == 0
    assert clients.refused == []
    await check(store, clients)


async def test_workers_end_when_nobody_watches_over_them(tmp_path: Path) -> None:
    with service(tmp_path / "log.db", "--workers", "2") as running:
        running.process.kill()
        async with asyncio.timeout(30):
            while any(map(is_alive, running.processes)):  # noqa: ASYNC110
                await asyncio.sleep(0.02)
