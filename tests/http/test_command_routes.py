"""Commands over HTTP: what they reply, what must hold, and that none is lost or done twice."""

import asyncio
from pathlib import Path
from typing import Any

import httpx
import pytest

from everfold import App, Command
from everfold.errors import DefinitionError
from everfold.http.api import HttpApi
from everfold.http.gate import OPEN
from tests.http.bank import Account, bank

OPENED = {"account_id": "a1", "owner": "Ann", "initial_balance": 5}


async def opened(client: httpx.AsyncClient, **headers: str) -> httpx.Response:
    response = await client.post("/commands/open-account", json=OPENED, headers=headers)
    assert response.status_code == 200, response.text
    return response


async def test_a_reply_tells_what_became_of_the_command(client: httpx.AsyncClient) -> None:
    await opened(client)

    response = await client.post("/commands/withdraw", json={"account_id": "a1", "amount": 2})

    assert response.status_code == 200
    assert response.headers["etag"] == '"2"'
    assert response.headers["everfold-position"] == "2"
    assert response.json() == {
        "reply": 3,
        "id": "a1",
        "stream": "account-a1",
        "version": 2,
        "position": 2,
        "events": ["money-withdrawn"],
        "repeated": False,
    }


async def test_a_route_of_its_own_tells_that_something_is_new(client: httpx.AsyncClient) -> None:
    response = await client.post("/accounts", json=OPENED)

    assert (response.status_code, response.headers["location"]) == (201, "/accounts/a1")


async def test_an_action_on_something_is_no_new_thing(client: httpx.AsyncClient) -> None:
    response = await client.post("/accounts/a9/deposits", json={"amount": 2})

    assert (response.status_code, response.json()["id"]) == (200, "a9")
    assert "location" not in response.headers


async def test_below_a_prefix_the_location_has_it(bank_api: HttpApi) -> None:
    transport = httpx.ASGITransport(bank_api, root_path="/es")
    async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as client:
        response = await client.post("/es/accounts", json=OPENED)

    assert (response.status_code, response.headers["location"]) == (201, "/es/accounts/a1")


async def test_a_query_reads_what_the_command_wrote(client: httpx.AsyncClient) -> None:
    done = await opened(client)

    found = await client.get("/accounts/a1", headers={"Everfold-After": done.headers["everfold-position"]})

    assert found.json()["balance"] == 5


async def test_a_refusal_has_its_reason_and_facts(client: httpx.AsyncClient) -> None:
    await opened(client)

    response = await client.post("/commands/withdraw", json={"account_id": "a1", "amount": 6})

    problem = response.json()
    assert (response.status_code, response.headers["content-type"]) == (409, "application/problem+json")
    assert (problem["reason"], problem["facts"]) == ("insufficient-funds", {"balance": 5})
    assert problem["detail"] == "The balance is 5."


async def test_the_same_key_has_one_effect_and_the_same_reply(client: httpx.AsyncClient) -> None:
    first = await opened(client, **{"Idempotency-Key": "k1"})
    again = await opened(client, **{"Idempotency-Key": '"k1"'})

    assert again.json() == first.json() | {"repeated": True}
    assert again.headers["etag"] == first.headers["etag"]


async def test_many_at_once_with_one_key_have_one_effect(bank_api: HttpApi, client: httpx.AsyncClient) -> None:
    await opened(client)
    body = {"account_id": "a1", "amount": 1}

    responses = await asyncio.gather(
        *[client.post("/commands/withdraw", json=body, headers={"Idempotency-Key": "k"}) for _ in range(10)]
    )

    assert {response.status_code for response in responses} == {200}
    assert {response.json()["reply"] for response in responses} == {4}
    assert (await bank_api.app.load(Account, "a1")).balance == 4


async def test_a_key_is_for_one_command(client: httpx.AsyncClient) -> None:
    await opened(client, **{"Idempotency-Key": "k1"})

    response = await client.post(
        "/commands/open-account", json=OPENED | {"account_id": "a2"}, headers={"Idempotency-Key": "k1"}
    )

    assert (response.status_code, response.json()["code"]) == (422, "idempotency-key-reused")


@pytest.mark.parametrize("key", ["", "x" * 256, "\x7f"])
async def test_a_key_that_is_none_is_refused(client: httpx.AsyncClient, key: str) -> None:
    response = await client.post("/commands/open-account", json=OPENED, headers={"Idempotency-Key": key})

    assert response.status_code in {400, 422}


async def test_the_expected_version_decides(client: httpx.AsyncClient) -> None:
    await opened(client)
    take = {"account_id": "a1", "amount": 1}

    right = await client.post("/commands/withdraw", json=take, headers={"If-Match": '"1"'})
    stale = await client.post("/commands/withdraw", json=take, headers={"If-Match": '"1"'})

    assert right.status_code == 200
    problem = stale.json()
    assert (stale.status_code, problem["code"]) == (412, "precondition-failed")
    assert (problem["expected"], problem["actual"]) == (1, 2)


async def test_what_must_be_new_is_refused_when_it_is_there(client: httpx.AsyncClient) -> None:
    first = await client.post("/commands/open-account", json=OPENED, headers={"If-None-Match": "*"})
    again = await client.post("/commands/open-account", json=OPENED, headers={"If-None-Match": "*"})

    assert (first.status_code, again.status_code) == (200, 412)


async def test_of_many_with_one_version_one_wins(bank_api: HttpApi, client: httpx.AsyncClient) -> None:
    await opened(client)
    take = {"account_id": "a1", "amount": 1}

    responses = await asyncio.gather(
        *[client.post("/commands/withdraw", json=take, headers={"If-Match": '"1"'}) for _ in range(5)]
    )

    assert sorted(response.status_code for response in responses) == [200, 412, 412, 412, 412]
    assert (await bank_api.app.load(Account, "a1")).balance == 4


async def test_the_records_say_which_request_they_are_part_of(bank_api: HttpApi, client: httpx.AsyncClient) -> None:
    trace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
    await opened(client, **{"X-Correlation-Id": "c1", "traceparent": trace})

    [record] = [record async for page in bank_api.app.store.pages() for record in page]
    assert record.metadata.correlation_id == "c1"
    assert record.metadata.traceparent == trace


@pytest.mark.parametrize("header", ["X-Correlation-Id", "traceparent"])
async def test_a_correlation_that_is_none_is_refused(client: httpx.AsyncClient, header: str) -> None:
    response = await client.post("/commands/open-account", json=OPENED, headers={header: "x" * 201})

    assert (response.status_code, response.json()["code"]) == (400, "malformed-request")


async def test_what_was_acknowledged_is_there_when_the_app_comes_back(folder: Path) -> None:
    api = HttpApi(bank(str(folder / "kept.db")), gate=OPEN)
    async with api.lifespan(), asked(api) as client:
        done = [await client.post("/commands/deposit", json={"account_id": "a1", "amount": 1}) for _ in range(20)]
    assert {response.status_code for response in done} == {200}

    app = bank(str(folder / "kept.db"))
    async with app:
        assert (await app.load(Account, "a1")).balance == 20


async def test_a_client_that_goes_away_does_not_undo_its_command(bank_api: HttpApi) -> None:
    """The server does not cancel what it has begun: the command is executed, though nobody hears of it."""
    sent: list[Any] = []
    body = b'{"account_id": "a1", "owner": "Ann"}'
    messages = [{"type": "http.request", "body": body, "more_body": False}, {"type": "http.disconnect"}]

    async def receive() -> Any:
        return messages.pop(0)

    async def send(message: Any) -> None:
        sent.append(message)
        raise OSError("the client is gone")

    headers = [(b"content-type", b"application/json"), (b"host", b"localhost")]
    scope = {"type": "http", "method": "POST", "path": "/commands/open-account", "headers": headers}
    with pytest.raises(OSError, match="gone"):
        await bank_api(scope | {"query_string": b""}, receive, send)

    assert (await bank_api.app.load(Account, "a1")).owner == "Ann"


async def test_a_command_that_takes_too_long_has_done_nothing(folder: Path) -> None:
    class Wait(Command):
        pass

    app = App("slow", store=str(folder / "slow.db"), request_timeout=0.05)

    @app.handles(Wait)
    async def wait(command: Wait) -> None:
        await asyncio.sleep(60)

    api = HttpApi(app, gate=OPEN)
    async with api.lifespan(), asked(api) as client:
        response = await client.post("/commands/wait", json={})

    assert (response.status_code, response.json()["code"]) == (503, "timed-out")
    assert response.headers["retry-after"] == "1"


async def test_a_command_without_fields_needs_no_body(folder: Path) -> None:
    class Ping(Command[str], route="DELETE /pings"):
        pass

    app = App("ping", store="memory:")

    @app.handles(Ping)
    async def ping(command: Ping) -> str:
        return "pong"

    api = HttpApi(app, gate=OPEN)
    async with api.lifespan(), asked(api) as client:
        bare = await client.delete("/pings")
        empty = await client.post("/commands/ping", json={})
        wrong = await client.post("/commands/ping", json={"x": 1})

    assert (bare.status_code, bare.json()["reply"]) == (200, "pong")
    assert (empty.status_code, wrong.status_code) == (200, 422)


def test_two_messages_cannot_have_one_route() -> None:
    class One(Command, route="PUT /things/{a}"):
        a: str

    class Two(Command, route="PUT /things/{b}"):
        b: str

    app = App("twice", store="memory:")

    @app.handles(One)
    async def one(command: One) -> None: ...

    @app.handles(Two)
    async def two(command: Two) -> None: ...

    with pytest.raises(DefinitionError, match="two operations for PUT /things"):
        HttpApi(app, gate=OPEN)


def asked(api: HttpApi) -> Any:
    return httpx.AsyncClient(transport=httpx.ASGITransport(api), base_url="http://localhost")


async def test_before_the_app_runs_nothing_is_lost_silently(folder: Path) -> None:
    async with asked(HttpApi(bank(str(folder / "bank.db")), gate=OPEN)) as client:
        response = await client.post("/commands/open-account", json=OPENED)

    assert (response.status_code, response.json()["code"]) == (503, "store-closed")
