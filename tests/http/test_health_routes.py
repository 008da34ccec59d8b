"""``/livez``, ``/readyz`` and ``/version``: how the service is, and why it should be left alone for a while."""

import asyncio
import time
from collections.abc import AsyncGenerator, Awaitable, Callable
from importlib.metadata import PackageNotFoundError
from pathlib import Path
from typing import Any

import httpx
import pytest

from everfold.app.application import App
from everfold.errors import StoreUnavailable
from everfold.http import health_routes
from everfold.http.api import HttpApi
from everfold.testing.frozen_clock import FrozenClock
from tests.http.bank import Account, AccountSummaries, Deposit, OpenAccount, bank

Asks = Callable[[], Awaitable[tuple[int, Any]]]


@pytest.fixture(autouse=True)
def looks_each_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(health_routes, "KEPT_SECONDS", -1.0)


def client_of(api: HttpApi) -> httpx.AsyncClient:
    return httpx.AsyncClient(transport=httpx.ASGITransport(api), base_url="http://localhost")


async def ready(client: httpx.AsyncClient) -> tuple[int, Any]:
    answer = await client.get("/readyz")
    assert answer.headers["cache-control"] == "no-store"
    return answer.status_code, answer.json()


async def until(client: httpx.AsyncClient, status: int) -> Any:
    deadline = time.monotonic() + 20
    while (found := await ready(client))[0] != status:
        assert time.monotonic() < deadline, found
        await asyncio.sleep(0.01)
    return found[1]


async def test_alive(client: httpx.AsyncClient) -> None:
    answer = await client.get("/livez")
    assert (answer.status_code, answer.json()) == (200, {"status": "alive"})
    assert answer.headers["cache-control"] == "no-store"
    assert (await client.head("/livez")).status_code == 200


async def test_what_is_running(client: httpx.AsyncClient) -> None:
    assert (await client.get("/version")).json() == {
        "name": "everfold",
        "version": health_routes.everfold_version(),
        "app": "bank",
    }


async def test_ready(client: httpx.AsyncClient, bank_api: HttpApi) -> None:
    await bank_api.app.execute(OpenAccount(account_id="a", owner="Ann"))
    found = await until(client, 200)
    while found["projections"][0]["lag"]:
        found = await until(client, 200)
    summaries = {"name": "account-summaries", "state": "live", "lag": 0, "lag_seconds": 0.0, "is_run": True}
    assert found == {"status": "ready", "reasons": [], "position": 1, "projections": [summaries]}


async def test_not_running(folder: Path) -> None:
    """As when a host framework forgets our lifespan."""
    api = HttpApi(bank(str(folder / "bank.db")))
    async with client_of(api) as client:
        status, found = await ready(client)
        assert status == 503
        assert found == {
            "status": "not ready",
            "reasons": ["the app is not running"],
            "position": None,
            "projections": [],
        }
        assert (await client.get("/livez")).status_code == 200


@pytest.fixture
async def server_alone(folder: Path) -> AsyncGenerator[tuple[HttpApi, FrozenClock]]:
    """A process that leaves its projections to others."""
    clock = FrozenClock()
    app = App(
        "bank", Account, AccountSummaries, store=str(folder / "bank.db"), clock=clock, role="server", ready_lag=60
    )
    api = HttpApi(app)
    async with api.lifespan():
        yield api, clock


async def test_nobody_runs_the_projections(server_alone: tuple[HttpApi, FrozenClock]) -> None:
    async with client_of(server_alone[0]) as client:
        assert (await ready(client))[1]["reasons"] == ["no process runs account-summaries"]


async def test_others_run_them(server_alone: tuple[HttpApi, FrozenClock], folder: Path) -> None:
    """And when they stop, there is some time for others to take over."""
    api, clock = server_alone
    async with client_of(api) as client:
        async with bank(str(folder / "bank.db"), clock=clock, role="worker"):
            found = await until(client, 200)
            assert found["projections"][0]["state"] == "running elsewhere"
        status, found = await ready(client)
        assert (status, found["projections"][0]["is_run"]) == (200, False)
        endpoint = next(each.endpoint for each in api.operations if each.path == "/readyz")
        endpoint._attended["account-summaries"] -= 11  # type: ignore[attr-defined] # pyright: ignore
        assert (await ready(client))[1]["reasons"] == ["no process runs account-summaries"]


async def test_behind(server_alone: tuple[HttpApi, FrozenClock]) -> None:
    api, clock = server_alone
    await api.app.execute(OpenAccount(account_id="a", owner="Ann"))
    clock.advance(59)
    await api.app.execute(Deposit(account_id="a", amount=5))
    async with client_of(api) as client:
        assert (await ready(client))[1]["reasons"] == ["no process runs account-summaries"]
        clock.advance(2)
        found = (await ready(client))[1]
        assert found["reasons"][0] == "account-summaries is 61 s behind, more than 60 s"
        assert (found["projections"][0]["lag"], found["projections"][0]["lag_seconds"]) == (2, 61.0)


async def test_a_projection_that_somebody_paused_is_no_reason(client: httpx.AsyncClient, bank_api: HttpApi) -> None:
    await until(client, 200)
    await bank_api.app.projections.pause("account-summaries", "to look")
    found = await until(client, 200)
    while found["projections"][0]["state"] != "paused":
        found = await until(client, 200)
    assert found["reasons"] == []


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (StoreUnavailable("/secret/path is gone"), "the store cannot be read (store-unavailable)"),
        (TimeoutError(), "the store did not answer within 5 s"),
    ],
)
async def test_the_store_cannot_be_read(
    client: httpx.AsyncClient, bank_api: HttpApi, monkeypatch: pytest.MonkeyPatch, error: Exception, reason: str
) -> None:
    async def wait(*_: object) -> int:
        raise error

    monkeypatch.setattr(bank_api.app.store.engine, "wait", wait)
    status, found = await ready(client)
    assert (status, found["reasons"]) == (503, [reason])


async def test_it_does_not_look_for_everybody_who_asks(
    client: httpx.AsyncClient, bank_api: HttpApi, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(health_routes, "KEPT_SECONDS", 1_000.0)
    await ready(client)
    monkeypatch.setattr(bank_api.app.store.engine, "wait", None)
    assert {answer[0] for answer in await asyncio.gather(*(ready(client) for _ in range(20)))} <= {200, 503}


def test_a_worker_tells_only_how_it_is(folder: Path) -> None:
    paths = {operation.path for operation in HttpApi(bank(str(folder / "bank.db"), role="worker")).operations}
    assert paths - {"/metrics"} == {"/livez", "/readyz", "/version"}


def test_the_version_of_what_is_not_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    def version(_: str) -> str:
        raise PackageNotFoundError

    monkeypatch.setattr(health_routes, "version", version)
    assert health_routes.everfold_version() == "unknown"
