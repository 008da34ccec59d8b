"""Events set aside, over HTTP: look, try again, do without, give other fields."""

import asyncio
from typing import Any

import pytest
from httpx import AsyncClient

from everfold.http.api import HttpApi
from everfold.identifiers import Position
from tests.http import bank
from tests.http.bank import Deposit, GetAccount, OpenAccount

ONE = "/parked/account-summaries/account-a1"


@pytest.fixture(autouse=True)
async def unlucky(bank_api: HttpApi) -> None:
    """account-a1 opened (1), 13 paid in (2), which is set aside, then 5 (3), which waits."""
    app = bank_api.app
    await app.execute(OpenAccount(account_id="a1", owner="Ann"))
    await app.execute(Deposit(account_id="a1", amount=13))
    await app.execute(Deposit(account_id="a1", amount=5))
    async with asyncio.timeout(30):
        while (await app.projections.status("account-summaries")).waiting != 1:
            pass


async def post(client: AsyncClient, path: str, body: Any = None) -> Any:
    found = await client.post(path, json=body) if body is not None else await client.post(path)
    assert found.status_code == 200, found.text
    return found.json()


async def balance(api: HttpApi) -> int:
    return (await api.app.ask(GetAccount(account_id="a1"), after=Position(3))).balance


async def test_looking(client: AsyncClient) -> None:
    found = (await client.get("/parked")).json()["parked"]
    assert [{name: one[name] for name in ("projection", "position", "stream", "type", "error")} for one in found] == [
        {
            "projection": "account-summaries",
            "position": 2,
            "stream": "account-a1",
            "type": "money-deposited",
            "error": "ValueError: unlucky",
        }
    ]
    assert (await client.get("/parked?projection=account-summaries")).json()["parked"] == found
    detail = (await client.get(ONE)).json()
    assert detail["parked"] == found[0]
    assert "ValueError: unlucky" in detail["traceback"]
    assert detail["record"]["data"] == {"amount": 13, "note": ""}
    assert detail["waiting"] == [{"position": 3, "type": "money-deposited"}]


async def test_trying_again(client: AsyncClient, bank_api: HttpApi, monkeypatch: pytest.MonkeyPatch) -> None:
    still = await post(client, f"{ONE}/retry")
    assert still == {
        "projection": "account-summaries",
        "applied": 0,
        "still_parked": {"position": 2, "stream": "account-a1", "error": "ValueError: unlucky"},
    }
    monkeypatch.setattr(bank, "UNLUCKY", set[int]())
    assert (await post(client, f"{ONE}/retry")) == {
        "projection": "account-summaries",
        "applied": 2,
        "still_parked": None,
    }
    assert await balance(bank_api) == 18
    assert (await client.get("/parked")).json() == {"parked": []}


async def test_doing_without(client: AsyncClient, bank_api: HttpApi) -> None:
    done = await post(client, f"{ONE}/skip", {"position": 2, "reason": "a test"})
    assert (done["applied"], done["still_parked"]) == (2, None)
    assert await balance(bank_api) == 5


async def test_other_fields(client: AsyncClient, bank_api: HttpApi) -> None:
    body = {"position": 2, "data": {"amount": 12, "note": "ü\u2028"}, "reason": "mistyped"}
    assert (await post(client, f"{ONE}/substitute", body))["applied"] == 2
    assert await balance(bank_api) == 17


async def test_other_fields_that_do_not_fit_either(client: AsyncClient) -> None:
    body = {"position": 2, "data": {"amount": "many"}, "reason": "mistyped"}
    done = await post(client, f"{ONE}/substitute", body)
    assert done["still_parked"]["position"] == 2


async def test_only_the_event_that_failed_can_be_dealt_with(client: AsyncClient) -> None:
    found = await client.post(f"{ONE}/skip", json={"position": 3, "reason": "a test"})
    assert (found.status_code, found.json()["code"]) == (404, "not-found")
    assert "the one at 2" in found.json()["detail"]


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/parked?projection=unknown"),
        ("GET", "/parked/unknown/account-a1"),
        ("GET", "/parked/account-summaries/account-zz"),
        ("POST", "/parked/unknown/account-a1/retry"),
        ("POST", "/parked/account-summaries/account-zz/retry"),
    ],
)
async def test_what_is_not_there(client: AsyncClient, method: str, path: str) -> None:
    found = await client.request(method, path)
    assert (found.status_code, found.json()["code"]) == (404, "not-found")


@pytest.mark.parametrize(
    ("path", "body"),
    [
        (f"{ONE}/skip", {"position": 2}),
        (f"{ONE}/skip", {"position": 2, "reason": ""}),
        (f"{ONE}/skip", {"position": 2, "reason": "  "}),
        (f"{ONE}/skip", {"position": 0, "reason": "a"}),
        (f"{ONE}/skip", {"position": 10**30, "reason": "a"}),
        (f"{ONE}/skip", {"position": "2", "reason": "a"}),
        (f"{ONE}/skip", {"position": 2, "reason": "a", "data": {}}),
        (f"{ONE}/substitute", {"position": 2, "reason": "a", "data": []}),
        (f"{ONE}/substitute", {"position": 2, "reason": "a"}),
        ("/parked/account-summaries/account/retry", {}),
    ],
)
async def test_what_is_wrong_is_told(client: AsyncClient, path: str, body: Any) -> None:
    found = await client.post(path, json=body)
    assert found.status_code == 422, found.text


async def test_fields_nested_too_deeply(client: AsyncClient) -> None:
    body = b'{"position": 2, "reason": "a", "data": {"amount": ' + b"[" * 100_000 + b"]" * 100_000 + b"}}"
    found = await client.post(f"{ONE}/substitute", content=body, headers={"Content-Type": "application/json"})
    assert (found.status_code, found.json()["code"]) == (400, "malformed-request")
