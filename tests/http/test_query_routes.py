"""Queries over HTTP: what they answer, how fresh it is, and when nothing has to be sent."""

from collections.abc import AsyncGenerator
from pathlib import Path
from typing import Any

import httpx
import pytest

from everfold import App, Query
from everfold.http.api import HttpApi
from everfold.http.gate import OPEN
from tests.http.bank import Account, AccountSummaries, bank

HIGHEST = 10**18 - 1


async def opened(client: httpx.AsyncClient, account_id: str = "a1", balance: int = 5) -> str:
    """The position that a query has to know."""
    body = {"account_id": account_id, "owner": "Ann", "initial_balance": balance}
    response = await client.post("/commands/open-account", json=body)
    assert response.status_code == 200, response.text
    position: str = response.headers["everfold-position"]
    return position


def asked(api: HttpApi) -> httpx.AsyncClient:
    return httpx.AsyncClient(transport=httpx.ASGITransport(api), base_url="http://localhost")


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("GET", "/queries/get-account?account_id=a1", None),
        ("POST", "/queries/get-account", {"account_id": "a1"}),
        ("GET", "/accounts/a1", None),
    ],
)
async def test_it_is_asked_in_three_ways(client: httpx.AsyncClient, method: str, path: str, body: Any) -> None:
    after = await opened(client)

    response = await client.request(method, path, json=body, headers={"Everfold-After": after})

    assert response.status_code == 200
    assert response.json() == {"account_id": "a1", "owner": "Ann", "balance": 5}
    assert response.headers["everfold-position"] == after
    assert response.headers["cache-control"] == "private, no-cache"


async def test_what_is_not_there_is_404(client: httpx.AsyncClient) -> None:
    response = await client.get("/accounts/nobody")

    assert (response.status_code, response.json()["code"]) == (404, "not-found")


async def test_a_position_that_never_comes_in_time_is_503_and_says_when_to_ask_again(folder: Path) -> None:
    api = HttpApi(bank(str(folder / "bank.db"), read_timeout=0.05), gate=OPEN)
    async with api.lifespan(), asked(api) as client:
        await client.get("/accounts")  # the tables are made by now
        await api.app.projections.pause("account-summaries", "test")
        after = await opened(client)
        response = await client.get("/accounts", headers={"Everfold-After": after})

    assert (response.status_code, response.json()["code"]) == (503, "read-model-behind")
    assert response.headers["retry-after"] == "1"


@pytest.mark.parametrize("after", ["2", str(HIGHEST), "-1", "x", ""])
async def test_a_position_that_is_none_of_this_log_is_refused(client: httpx.AsyncClient, after: str) -> None:
    await opened(client)

    response = await client.get("/accounts", headers={"Everfold-After": after})

    assert (response.status_code, response.json()["code"]) == (400, "malformed-request")


# --- 304


async def test_what_is_at_hand_is_not_sent_again(client: httpx.AsyncClient) -> None:
    after = await opened(client)
    first = await client.get("/accounts/a1", headers={"Everfold-After": after})
    tag = first.headers["etag"]

    again = await client.get("/accounts/a1", headers={"If-None-Match": f'W/"other", {tag}'})
    waiting = await client.get("/accounts/a1", headers={"If-None-Match": tag, "Everfold-After": after})

    assert (again.status_code, again.content, again.headers["etag"]) == (304, b"", tag)
    assert (waiting.status_code, waiting.content, waiting.headers["etag"]) == (304, b"", tag)


async def test_what_has_changed_is_sent_with_a_new_tag(client: httpx.AsyncClient) -> None:
    first = await client.get("/accounts", headers={"Everfold-After": await opened(client)})

    after = await opened(client, "a2")
    second = await client.get("/accounts", headers={"Everfold-After": after, "If-None-Match": first.headers["etag"]})

    assert (second.status_code, second.json()["total"]) == (200, 2)
    assert second.headers["etag"] != first.headers["etag"]


async def test_a_policy_is_asked_before_304_is_said(folder: Path) -> None:
    allowed = [True]
    app = App("bank", Account, AccountSummaries, store=str(folder / "bank.db"), authorize=lambda envelope: allowed[0])
    api = HttpApi(app, gate=OPEN)
    async with api.lifespan(), asked(api) as client:
        first = await client.get("/accounts", headers={"Everfold-After": await opened(client)})
        known = {"If-None-Match": first.headers["etag"]}
        same = await client.get("/accounts", headers=known)
        allowed[0] = False
        refused = await client.get("/accounts", headers=known)

    assert same.status_code == 304
    assert (refused.status_code, refused.json()["code"]) == (403, "not-authorized")


# --- the past


async def test_an_answer_as_it_was(client: httpx.AsyncClient) -> None:
    then = await opened(client)
    done = await client.post("/commands/deposit", json={"account_id": "a1", "amount": 2})
    assert done.status_code == 200

    was = await client.get("/accounts/a1", headers={"Everfold-As-Of": then})
    late = await client.get("/accounts/a1", headers={"Everfold-As-Of": "2999-01-01T00:00:00Z"})
    early = await client.get("/accounts/a1", headers={"Everfold-As-Of": "1999-01-01T00:00:00+02:00"})

    assert (was.json()["balance"], late.json()["balance"]) == (5, 7)
    assert early.status_code == 404
    assert "etag" not in was.headers


@pytest.mark.parametrize(
    "moment",
    ["0", str(HIGHEST), "0001-01-01T00:00:00+00:00", "9999-12-31T23:59:59-23:59", "1969-12-31T00:00:00Z"],
)
async def test_the_ends_of_time_are_places_too(client: httpx.AsyncClient, moment: str) -> None:
    await opened(client)

    assert (await client.get("/accounts", headers={"Everfold-As-Of": moment})).status_code == 200


@pytest.mark.parametrize(
    "moment",
    ["", "yesterday", "2030-01-01", "2030-01-01T00:00:00", "-1", "1" * 19],
)
async def test_what_is_no_place_is_refused(client: httpx.AsyncClient, moment: str) -> None:
    response = await client.get("/accounts", headers={"Everfold-As-Of": moment})

    assert (response.status_code, response.json()["code"]) == (400, "malformed-request")


# --- what does not fit


@pytest.mark.parametrize(
    "query",
    ["", "account_id=a&account_id=b", "account_id=a&x=1", "account=a"],
)
async def test_a_query_string_that_does_not_fit_is_422(client: httpx.AsyncClient, query: str) -> None:
    response = await client.get(f"/queries/get-account?{query}")

    assert (response.status_code, response.json()["code"]) == (422, "invalid-message")


@pytest.mark.parametrize("offset", [2**63, 2**64 - 1, 2**64, 10**30])
async def test_a_number_that_no_database_holds_is_422(client: httpx.AsyncClient, offset: int) -> None:
    by_get = await client.get(f"/accounts?offset={offset}")
    by_post = await client.post("/queries/list-accounts", content=f'{{"offset": {offset}}}'.encode(), headers=JSON)
    in_the_past = await client.get(f"/accounts?offset={offset}", headers={"Everfold-As-Of": "0"})

    assert [response.status_code for response in (by_get, by_post, in_the_past)] == [422, 422, 422]


JSON = {"content-type": "application/json"}


async def test_a_long_answer_is_compressed_for_who_asks(client: httpx.AsyncClient) -> None:
    known = {"Everfold-After": [await opened(client, f"account-number-{number}") for number in range(30)][-1]}

    zipped = await client.get("/accounts?limit=100", headers=known | {"Accept-Encoding": "gzip"})
    plain = await client.get("/accounts?limit=100", headers=known | {"Accept-Encoding": "identity"})
    short = await client.get("/accounts?limit=1", headers=known | {"Accept-Encoding": "gzip"})

    assert (zipped.headers["content-encoding"], zipped.headers["vary"]) == ("gzip", "Accept-Encoding")
    assert int(zipped.headers["content-length"]) < int(plain.headers["content-length"]) / 3
    assert zipped.json() == plain.json()
    assert "content-encoding" not in plain.headers
    assert "content-encoding" not in short.headers


@pytest.fixture
async def functions(folder: Path) -> AsyncGenerator[httpx.AsyncClient]:
    """Queries that a function answers, from no read model."""

    class Sum(Query[int]):
        numbers: list[int]

    app = App("sums", store="memory:")

    @app.answers(Sum)
    async def answer(query: Sum) -> int:
        return sum(query.numbers)

    api = HttpApi(app, gate=OPEN)
    async with api.lifespan(), asked(api) as client:
        yield client


async def test_what_a_function_answers_has_no_tag(functions: httpx.AsyncClient) -> None:
    response = await functions.get("/queries/sum?numbers=1&numbers=2", headers={"If-None-Match": "*"})

    assert (response.status_code, response.json()) == (200, 3)
    assert "etag" not in response.headers
    assert "everfold-position" not in response.headers


async def test_a_function_knows_no_past(functions: httpx.AsyncClient) -> None:
    response = await functions.get("/queries/sum?numbers=1", headers={"Everfold-As-Of": "0"})

    assert (response.status_code, response.json()["code"]) == (422, "invalid-message")
