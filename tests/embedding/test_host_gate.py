"""A gate that asks the host who it is: roles and policies hold, and no page of another site may send changes."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any

import httpx
import pytest
from starlette.requests import Request

from everfold.errors import NotAuthenticated
from everfold.http.api import HttpApi
from everfold.http.host_gate import HostGate
from everfold.security.principal import Principal
from tests.http.bank import bank

PEOPLE = {
    "op": Principal(name="op", roles=frozenset({"operator"})),
    "view": Principal(name="view", roles=frozenset({"viewer"})),
}
DEPOSIT = ("POST", "/commands/deposit")


async def who(request: Request) -> Principal | None:
    if "x-expired" in request.headers:
        raise NotAuthenticated("Your session is over.")
    return PEOPLE.get(request.headers.get("x-user", "") or request.cookies.get("user", ""))


@asynccontextmanager
async def asking(**settings: Any) -> AsyncGenerator[httpx.AsyncClient]:
    app = bank("bank.db", authentication=True, **settings)
    api = HttpApi(app, gate=HostGate(app, who))
    async with (
        api.lifespan(),
        httpx.AsyncClient(transport=httpx.ASGITransport(api), base_url="http://shop.example") as client,
    ):
        yield client


@pytest.mark.parametrize(
    ("headers", "method", "path", "status"),
    [
        ({}, "GET", "/livez", 200),
        ({}, "GET", "/accounts", 401),
        ({"x-user": "nobody"}, "GET", "/accounts", 401),
        ({"x-expired": "1"}, "GET", "/accounts", 401),
        ({"x-user": "view"}, "GET", "/accounts", 200),
        ({"x-user": "view"}, "GET", "/events", 200),
        ({"x-user": "view"}, *DEPOSIT, 403),
        ({"x-user": "op"}, *DEPOSIT, 200),
        ({"x-user": "op", "sec-fetch-site": "cross-site"}, *DEPOSIT, 403),
        ({"x-user": "op", "origin": "https://evil.example"}, *DEPOSIT, 403),
        ({"x-user": "op", "origin": "https://shop.example"}, *DEPOSIT, 200),
        ({"cookie": "user=op"}, *DEPOSIT, 403),
        ({"cookie": "user=op", "sec-fetch-site": "same-origin"}, *DEPOSIT, 200),
        ({"cookie": "user=op"}, "GET", "/accounts", 200),
        ({"x-user": "op", "authorization": "Basic b3A6"}, *DEPOSIT, 403),
        ({"x-user": "op", "authorization": "Bearer x", "origin": "https://app.example"}, *DEPOSIT, 200),
    ],
)
async def test_who_may_do_what(headers: dict[str, str], method: str, path: str, status: int) -> None:
    async with asking() as client:
        body = {"account_id": "a1", "amount": 1} if method == "POST" else None
        answer = await client.request(method, path, headers=headers, json=body)
        assert answer.status_code == status, answer.text


async def test_there_is_no_sign_in_of_our_own() -> None:
    async with asking() as client:
        assert (await client.get("/sign-in")).status_code == 404


async def test_host_names_are_checked_when_some_are_set() -> None:
    async with asking(allowed_hosts=["bank.example"]) as client:
        assert (await client.get("/accounts", headers={"x-user": "op"})).status_code == 421
        allowed = await client.get("/accounts", headers={"x-user": "op", "host": "bank.example"})
        assert allowed.status_code == 200


async def test_the_rate_limit_holds_for_everybody() -> None:
    async with asking(rate_limit=0.01) as client:
        answers = [await client.get("/accounts", headers={"x-user": "op"}) for _ in range(5)]
        assert answers[-1].status_code == 429
        assert int(answers[-1].headers["retry-after"]) > 0
        assert (await client.get("/accounts", headers={"x-user": "view"})).status_code == 200
