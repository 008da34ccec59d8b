"""Projections over HTTP: how they are; pausing, resuming, resetting and rebuilding them."""

import asyncio
from typing import Any

import pytest
from httpx import AsyncClient

from everfold.errors import EverfoldError
from everfold.http.api import HttpApi
from everfold.http.operation import Needs
from everfold.identifiers import Position
from everfold.projections.operations import Operations
from tests.http.bank import Deposit, GetAccount, OpenAccount

ONE = "/projections/account-summaries"


@pytest.fixture(autouse=True)
async def history(bank_api: HttpApi) -> None:
    """account-a1 with 5 in it; the projection knows."""
    app = bank_api.app
    await app.execute(OpenAccount(account_id="a1", owner="Ann"))
    done = await app.execute(Deposit(account_id="a1", amount=5))
    await app.ask(GetAccount(account_id="a1"), after=done)


async def get(client: AsyncClient, path: str) -> Any:
    found = await client.get(path)
    assert found.status_code == 200, found.text
    return found.json()


async def ended(client: AsyncClient, path: str) -> Any:
    """A rebuild, once it has ended."""
    async with asyncio.timeout(20):
        while (found := await get(client, path))["state"] == "running":
            pass
        return found


async def test_how_they_are(client: AsyncClient) -> None:
    one = await get(client, ONE)
    assert {name: one[name] for name in ("name", "mode", "state", "position", "head", "lag", "parked", "paused")} == {
        "name": "account-summaries",
        "mode": "async",
        "state": "live",
        "position": 2,
        "head": 2,
        "lag": 0,
        "parked": 0,
        "paused": None,
    }
    assert (one["lag_seconds"], one["build"], one["building"]) == (0.0, 1, None)
    assert one["moved"].endswith("Z")
    assert (await get(client, "/projections")) == {"projections": [one]}


async def test_a_paused_one_waits_until_it_is_resumed(client: AsyncClient, bank_api: HttpApi) -> None:
    paused = await client.post(f"{ONE}/pause", json={"reason": "wrong totals"})
    assert (paused.status_code, paused.json()["state"], paused.json()["paused"]) == (200, "paused", "wrong totals")
    done = await bank_api.app.execute(Deposit(account_id="a1", amount=6))
    behind = await get(client, ONE)
    assert behind["lag"] == behind["head"] - 2 > 0  # the deposit, and what the audit tells of the pause
    resumed = await client.post(f"{ONE}/resume")
    assert (resumed.status_code, resumed.json()["paused"]) == (200, None)
    assert (await bank_api.app.ask(GetAccount(account_id="a1"), after=done)).balance == 11


async def test_a_reset_one_begins_anew(client: AsyncClient, bank_api: HttpApi) -> None:
    done = await client.post(f"{ONE}/reset")
    assert (done.status_code, done.json()) == (200, {"name": "account-summaries", "build": 2})
    assert (await bank_api.app.ask(GetAccount(account_id="a1"), after=Position(2))).balance == 5


async def test_a_rebuild_goes_on_after_the_answer_and_tells_how_it_goes(client: AsyncClient) -> None:
    begun = await client.post(f"{ONE}/rebuild")
    assert begun.status_code == 202
    assert begun.headers["location"] == f"{ONE}/rebuild"
    assert (begun.json()["state"], begun.json()["position"]) == ("running", 0)
    found = await ended(client, begun.headers["location"])
    assert (found["state"], found["build"], found["error"]) == ("done", 2, None)
    assert found["position"] == found["head"]
    assert found["ended"] >= found["started"]
    assert (await get(client, ONE))["build"] == 2


async def test_asking_again_is_no_second_rebuild(client: AsyncClient) -> None:
    first, second = await asyncio.gather(client.post(f"{ONE}/rebuild"), client.post(f"{ONE}/rebuild"))
    assert first.json()["started"] == second.json()["started"]


async def test_a_rebuild_that_fails_says_so(client: AsyncClient, monkeypatch: pytest.MonkeyPatch) -> None:
    async def refuse(*_: object) -> int:
        raise RuntimeError("a secret of the service")

    monkeypatch.setattr(Operations, "rebuild", refuse)
    await client.post(f"{ONE}/rebuild")
    found = await ended(client, f"{ONE}/rebuild")
    assert found["state"] == "failed"
    assert "secret" not in found["error"]


async def test_a_rebuild_that_cannot_be_says_why(client: AsyncClient, monkeypatch: pytest.MonkeyPatch) -> None:
    async def refuse(*_: object) -> int:
        raise EverfoldError("Somebody else is rebuilding it.")

    monkeypatch.setattr(Operations, "rebuild", refuse)
    await client.post(f"{ONE}/rebuild")
    found = await ended(client, f"{ONE}/rebuild")
    assert (found["state"], found["error"]) == ("failed", "Somebody else is rebuilding it.")


async def test_a_rebuild_ends_with_the_service(
    bank_api: HttpApi, client: AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun = asyncio.Event()

    async def for_ever(*_: object) -> int:
        begun.set()
        await asyncio.Event().wait()
        raise AssertionError

    monkeypatch.setattr(Operations, "rebuild", for_ever)
    await client.post(f"{ONE}/rebuild")
    await begun.wait()
    await bank_api._rebuilds.stop()  # pyright: ignore[reportPrivateUsage]
    found = await get(client, f"{ONE}/rebuild")
    assert found["state"] == "stopped"
    assert found["ended"]


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/projections/unknown"),
        ("POST", "/projections/unknown/resume"),
        ("POST", "/projections/unknown/reset"),
        ("POST", "/projections/unknown/rebuild"),
        ("GET", "/projections/unknown/rebuild"),
        ("GET", f"{ONE}/rebuild"),
        ("GET", "/projections/%ED%A0%80"),
    ],
)
async def test_what_is_not_there(client: AsyncClient, method: str, path: str) -> None:
    found = await client.request(method, path)
    assert (found.status_code, found.json()["code"]) == (404, "not-found")


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({}, 422),
        ({"reason": ""}, 422),
        ({"reason": 1}, 422),
        ({"reason": "x" * 401}, 422),
        ({"reason": "x", "more": 1}, 422),
        ([], 422),
    ],
)
async def test_a_pause_needs_a_reason(client: AsyncClient, body: Any, status: int) -> None:
    assert (await client.post(f"{ONE}/pause", json=body)).status_code == status


@pytest.mark.parametrize("body", [b"{", b'{"reason": "\xff"}', b'{"reason": "\xed\xa0\x80"}', b'{"reason": "\\ud800"}'])
async def test_a_body_that_is_no_json(client: AsyncClient, body: bytes) -> None:
    found = await client.post(f"{ONE}/pause", content=body, headers={"Content-Type": "application/json"})
    assert (found.status_code, found.json()["code"]) == (400, "malformed-request")


async def test_a_pause_without_a_body(client: AsyncClient) -> None:
    assert (await client.post(f"{ONE}/pause")).status_code == 415


async def test_who_may_do_what(bank_api: HttpApi) -> None:
    needs = {one.id: one.needs for one in bank_api.operations if one.group in {"projections", "parked"}}
    assert needs == {
        "list-projections": Needs.VIEWER,
        "show-projection": Needs.VIEWER,
        "pause-projection": Needs.OPERATOR,
        "resume-projection": Needs.OPERATOR,
        "reset-projection": Needs.ADMIN,
        "rebuild-projection": Needs.OPERATOR,
        "show-rebuild": Needs.VIEWER,
        "list-parked": Needs.VIEWER,
        "show-parked": Needs.VIEWER,
        "retry-parked": Needs.OPERATOR,
        "skip-parked": Needs.OPERATOR,
        "substitute-parked": Needs.OPERATOR,
    }
