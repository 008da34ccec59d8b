"""The gate and browsers: hosts under which we are asked, sites that changes come from, sessions."""

from collections.abc import AsyncGenerator
from pathlib import Path

import httpx
import pytest

from everfold.http.api import HttpApi
from everfold.security.tokens import SESSION
from tests.http.bank import bank
from tests.http.guarded import URL, as_role, asking, code_of, guarded, tokens_of

OPEN_A1 = {"account_id": "a1", "owner": "ann"}


@pytest.fixture
async def api(folder: Path) -> AsyncGenerator[HttpApi]:
    async with guarded(folder) as api:
        yield api


async def session_client(api: HttpApi, *roles: str, url: str = URL) -> httpx.AsyncClient:
    """A client with a session, as a browser has one."""
    secret = await tokens_of(api).create("ann", roles, kind=SESSION)
    client = asking(api, url=url)
    client.cookies.set("everfold-session-8000", secret)
    return client


@pytest.mark.parametrize(
    "host", ["localhost", "LOCALHOST:8000", "127.0.0.1:1", "[::1]:8000", "shop.example", "a.b.example"]
)
async def test_hosts_of_this_service(folder: Path, host: str) -> None:
    async with guarded(folder, allowed_hosts=["shop.example", "*.b.example"]) as api, asking(api) as client:
        assert (await client.get("/accounts", headers={"host": host})).status_code == 401


@pytest.mark.parametrize(
    "host", ["evil.example", "localhost.evil.example", "b.example", "xshop.example", "", "127.0.0.2"]
)
async def test_hosts_that_are_not(folder: Path, host: str) -> None:
    async with guarded(folder, allowed_hosts=["shop.example", "*.b.example"]) as api, asking(api) as client:
        for _ in range(2):
            response = await client.get("/accounts", headers={"host": host})
            assert (response.status_code, code_of(response)) == (421, "wrong-host")
        assert (await client.get("/livez", headers={"host": host})).status_code == 200


async def test_any_host(folder: Path) -> None:
    async with guarded(folder, allowed_hosts=["*"]) as api, asking(api) as client:
        assert (await client.get("/accounts", headers={"host": "evil.example"})).status_code == 401


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"sec-fetch-site": "same-origin"}, 201),
        ({"sec-fetch-site": "none"}, 201),
        ({"sec-fetch-site": "cross-site"}, 403),
        ({"sec-fetch-site": "same-site"}, 403),
        ({"sec-fetch-site": "cross-site", "origin": URL}, 403),
        ({"origin": URL}, 201),
        ({"origin": "http://localhost:9999"}, 403),
        ({"origin": "https://evil.example"}, 403),
        ({"origin": "null"}, 403),
        ({}, 403),
    ],
)
async def test_changes_of_a_session_come_from_our_own_pages(api: HttpApi, headers: dict[str, str], status: int) -> None:
    async with await session_client(api, "operator") as client:
        response = await client.post("/accounts", json=OPEN_A1, headers=headers)
        assert response.status_code == status
        if status == 403:
            assert code_of(response) == "cross-origin"


async def test_a_token_may_be_sent_from_anywhere(api: HttpApi) -> None:
    async with await as_role(api, "operator") as client:
        response = await client.post("/accounts", json=OPEN_A1, headers={"sec-fetch-site": "cross-site"})
        assert response.status_code == 201


async def test_other_sites_change_nothing_where_nobody_is_asked_either(folder: Path) -> None:
    async with guarded(folder, authentication=False) as api, asking(api) as client:
        crossed = await client.post("/accounts", json=OPEN_A1, headers={"sec-fetch-site": "cross-site"})
        assert crossed.status_code == 403
        assert (await client.get("/accounts", headers={"host": "evil.example"})).status_code == 421
        assert (await client.post("/accounts", json=OPEN_A1)).status_code == 201
        assert (await client.get("/sign-in")).status_code == 404


async def test_a_session_is_no_token_and_a_token_no_session(api: HttpApi) -> None:
    session = await tokens_of(api).create("ann", ["admin"], kind=SESSION)
    token = await tokens_of(api).create("bob", ["admin"])
    async with asking(api, session) as client:
        assert (await client.get("/accounts")).status_code == 401
    async with await session_client(api, "admin") as client:
        assert (await client.get("/accounts")).status_code == 200
        client.cookies.set("everfold-session-8000", token)
        assert (await client.get("/accounts")).status_code == 401


def test_a_service_that_is_open_to_the_network_says_so(folder: Path, caplog: pytest.LogCaptureFixture) -> None:
    HttpApi(bank(str(folder / "bank.db"), host="127.0.0.1"))
    assert not caplog.records
    HttpApi(bank(str(folder / "bank.db"), host="0.0.0.0"))  # noqa: S104 (not bound to)
    assert "Everybody who reaches 0.0.0.0 may do everything" in caplog.text
