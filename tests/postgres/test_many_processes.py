"""Many processes on one store in PostgreSQL, as ``everfold run`` starts them: servers, workers, and both in one.

What one has stored, all others see; who dies is replaced, and nothing of its work is lost or done twice.
"""

import asyncio
import itertools
import os
import signal
import sys
import time
from collections.abc import AsyncGenerator
from contextlib import ExitStack, asynccontextmanager, suppress
from typing import Any

import httpx
import pytest

from everfold.app.application import App
from everfold.cli.demo_bank import Account, Accounts, GetAccount
from tests.postgres.server import PostgresServer
from tests.reliability.serving.service import ACCOUNTS, PATIENCE, Clients, Service, check, service, vars_of

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="signals are sent")
ENOUGH = 60
LEASE_SECONDS = 2.0


@asynccontextmanager
async def clients_of(*running: Service) -> AsyncGenerator[list[httpx.AsyncClient]]:
    clients = [httpx.AsyncClient(base_url=each.url, timeout=PATIENCE) for each in running]
    try:
        yield clients
    finally:
        for client in clients:
            await client.aclose()


async def send(client: httpx.AsyncClient, command: str, **fields: Any) -> str:
    """Send a command; the position it has reached, for whoever is asked next."""
    answer = await client.post(f"/commands/{command}", json=fields)
    assert answer.status_code == 200, answer.text
    return answer.headers["everfold-position"]


async def balance(client: httpx.AsyncClient, account: str, *, after: str) -> int:
    """What the read model says that knows everything up to there; asked again while it is not there yet."""
    deadline = time.monotonic() + PATIENCE
    while True:
        answer = await client.get(
            "/queries/get-account", params={"account_id": account}, headers={"Everfold-After": after}
        )
        if answer.status_code == 200:
            found: int = answer.json()["balance"]
            return found
        assert answer.status_code == 503, answer.text
        assert time.monotonic() < deadline, answer.text


async def ready(client: httpx.AsyncClient) -> None:
    async with asyncio.timeout(PATIENCE):
        while (await client.get("/readyz")).status_code != 200:  # noqa: ASYNC110
            await asyncio.sleep(0.05)


async def test_servers_and_workers_apart_read_what_any_of_them_wrote(postgres_url: str) -> None:
    with ExitStack() as stack:
        servers = [stack.enter_context(service(postgres_url, "--role", "server")) for _ in range(2)]
        worker = stack.enter_context(service(postgres_url, "--role", "worker"))
        async with clients_of(*servers, worker) as (one, other, working):
            await send(one, "open-account", account_id="a1", owner="Ann")
            for amount in range(1, 6):
                here, there = (one, other) if amount % 2 else (other, one)
                after = await send(here, "deposit", account_id="a1", amount=amount)
                assert await balance(there, "a1", after=after) == sum(range(amount + 1))
            for client in (one, other, working):
                await ready(client)
                measured = (await client.get("/metrics")).text
                assert 'everfold_subscription_position{subscription="accounts"} 6' in measured
                assert 'everfold_store_bytes{file="log"}' in measured
                assert "everfold_store_free_bytes " not in measured


async def test_work_moves_when_a_worker_is_killed(postgres_url: str) -> None:
    """The one that has the lease. Within the lease's time another goes on, from where the first one was."""
    settings = {"lease_seconds": str(LEASE_SECONDS)}
    with ExitStack() as stack:
        server = stack.enter_context(service(postgres_url, "--role", "server", **settings))
        first = stack.enter_context(service(postgres_url, "--role", "worker", **settings))
        async with clients_of(server) as (client,):
            await balance(client, "a1", after=await send(client, "open-account", account_id="a1", owner="Ann"))
            stack.enter_context(service(postgres_url, "--role", "worker", **settings))
            for amount in range(20):
                after = await send(client, "deposit", account_id="a1", amount=1 + amount)
            os.kill(first.process.pid, signal.SIGKILL)
            after = await send(client, "deposit", account_id="a1", amount=90)
            assert await balance(client, "a1", after=after) == 300


async def test_several_processes_on_one_socket(postgres_url: str) -> None:
    with service(postgres_url, "--workers", "2") as running:
        assert len(running.processes) == 2
        clients = Clients(running.url)
        async with clients.at_work(4):
            await clients.until(ENOUGH)
            os.kill(running.processes[0], signal.SIGKILL)
            await clients.until(ENOUGH + len(clients.acknowledged))
            clients.end()
        running.stop(signal.SIGTERM)
        code, errors = await asyncio.to_thread(running.ended)
        assert (code, "Traceback" in errors) == (0, False), errors
    assert clients.refused == []
    await check(postgres_url, clients)


class Patient(Clients):
    """Clients who send a command again, under its key and to whoever answers, until they know that it is stored."""

    async def _work(self, number: int) -> None:
        for count in itertools.count():
            if self._is_over:
                return
            await self._send(f"client-{number}-{count}")

    async def _send(self, key: str) -> None:
        headers = {"Idempotency-Key": key, "X-Correlation-Id": key}
        for url in itertools.cycle(self.urls.copy()):
            with suppress(httpx.TransportError):
                async with httpx.AsyncClient(base_url=url, timeout=PATIENCE) as client:
                    answer = await client.post("/commands/deposit", json=vars_of(key), headers=headers)
                if answer.status_code == 200:
                    self.acknowledged.add(key)
                    return
                if answer.status_code != 503:
                    self.refused.append((answer.status_code, answer.text))
                    return
            await asyncio.sleep(0.01)
            if url not in self.urls:
                return await self._send(key)
        return None


async def test_a_rolling_restart_loses_and_doubles_nothing(postgres_url: str) -> None:
    """Each process is replaced while clients send: one is asked to stop, and the other is killed."""
    with ExitStack() as stack:

        async def start() -> Service:
            running = service(postgres_url, lease_seconds=str(LEASE_SECONDS))
            return await asyncio.to_thread(stack.enter_context, running)

        running = list(await asyncio.gather(start(), start()))
        clients = Patient(*(each.url for each in running))
        async with clients.at_work(6):
            await clients.until(ENOUGH)
            for old, number in zip(running, (signal.SIGTERM, signal.SIGKILL), strict=True):
                clients.urls.append((await start()).url)
                os.kill(old.process.pid, number)
                clients.urls.remove(old.url)
                await clients.until(ENOUGH + len(clients.acknowledged))
                code, errors = await asyncio.to_thread(old.ended)
                assert (code, "Traceback" in errors) == (0 if number == signal.SIGTERM else -9, False), errors
            clients.end()
        assert clients.refused == []
        await check(postgres_url, clients)
        async with App("everfold-demo", Account, Accounts, store=postgres_url, role="server") as app:
            head = await app.store.head()
            rows = [await app.ask(GetAccount(account_id=f"a{number}"), after=head) for number in range(ACCOUNTS)]
        assert sum(row.balance for row in rows) == len(clients.acknowledged)


async def test_readiness_follows_the_server(durable_server: PostgresServer) -> None:
    """While the database is away requests should go elsewhere, and then come back by themselves."""
    with service(durable_server.url(schema="ready")) as running:
        async with clients_of(running) as (client,):
            await ready(client)
            durable_server.stop("fast")
            try:
                metrics = asyncio.ensure_future(client.get("/metrics"))
                answer = await client.get("/readyz")
                async with asyncio.timeout(PATIENCE):
                    while answer.status_code == 200:
                        answer = await client.get("/readyz")
                assert answer.json()["reasons"]
                assert (await client.get("/livez")).status_code == 200
                assert "everfold_store_readable 0" in (await metrics).text
            finally:
                durable_server.start()
            await ready(client)
            await send(client, "open-account", account_id="a1", owner="Ann")


async def test_a_stop_does_not_wait_for_a_server_that_is_away(durable_server: PostgresServer) -> None:
    with service(durable_server.url(schema="away"), "--role", "server") as running:
        async with clients_of(running) as (client,):
            await send(client, "open-account", account_id="a1", owner="Ann")
        durable_server.stop("fast")
        try:
            running.stop(signal.SIGTERM)
            code, errors = await asyncio.to_thread(running.ended)
        finally:
            durable_server.start()
        said = "Stopped while the store could not be reached. Everything acknowledged is stored.\n"
        assert (code, errors.endswith(said)) == (0, True), errors
