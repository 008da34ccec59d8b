"""A service that is stopped under load: what it has acknowledged is in the log, once, and it ends in good order."""

import asyncio
import os
import signal
import sys
from pathlib import Path

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
