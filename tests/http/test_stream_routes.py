"""Streams over HTTP: which there are, their records, their state at any time, and how it changed."""

from datetime import UTC, datetime
from typing import Any

import httpx
import msgspec
import pytest
from httpx import AsyncClient

from everfold.http import stream_history
from everfold.http.api import HttpApi
from everfold.http.json_patch import PatchStep
from tests.http.bank import Deposit, OpenAccount, Withdraw
from tests.http.test_json_patch import apply


@pytest.fixture(autouse=True)
async def history(bank_api: HttpApi) -> None:
    """account-a1: opened with 100, 50 paid in with a note, 30 taken out. account-b1: opened."""
    for command in (
        OpenAccount(account_id="a1", owner="Ann", initial_balance=100),
        Deposit(account_id="a1", amount=50, note="rent"),
        OpenAccount(account_id="b1", owner="Bob"),
        Withdraw(account_id="a1", amount=30),
    ):
        await bank_api.app.execute(command)


async def ok(client: AsyncClient, path: str, **headers: str) -> httpx.Response:
    found = await client.get(path, headers=headers)
    assert found.status_code == 200, found.text
    return found


async def test_streams_come_page_by_page(client: AsyncClient) -> None:
    first = (await ok(client, "/streams?limit=1")).json()
    assert first == {
        "streams": [{"stream": "account-a1", "version": 3, "position": 4}],
        "links": {"self": "/streams?limit=1", "next": "/streams?after=account-a1&limit=1"},
    }
    second = await ok(client, first["links"]["next"])
    assert [each["stream"] for each in second.json()["streams"]] == ["account-b1"]
    assert second.json()["links"].get("next") is None
    assert second.headers["link"] == '</streams?after=account-a1&limit=1>; rel="self"'
    assert (await ok(client, "/streams?prefix=account-b")).json()["streams"][0]["stream"] == "account-b1"


async def test_a_stream_has_its_records_and_its_version(client: AsyncClient) -> None:
    found = await ok(client, "/streams/account-a1?limit=2")
    assert found.headers["etag"] == '"3"'
    page = found.json()
    assert (page["stream"], page["category"], page["key"]) == ("account-a1", "account", "a1")
    assert (page["version"], page["position"]) == (3, 4)
    record = page["records"][1]
    assert {name: record[name] for name in ("position", "version", "type", "schema_version")} == {
        "position": 2,
        "version": 2,
        "type": "money-deposited",
        "schema_version": 1,
    }
    assert record["data"] == {"amount": 50, "note": "rent"}
    assert record["time"].endswith("Z")
    assert record["metadata"]["command"] == "deposit"
    assert page["records"][0]["tags"] == ["owner:Ann"]
    rest = (await ok(client, page["links"]["next"])).json()
    assert [each["version"] for each in rest["records"]] == [3]
    assert "next" not in rest["links"]


async def test_what_a_reader_has_is_not_sent_again(client: AsyncClient) -> None:
    for path in ("/streams/account-a1", "/streams/account-a1/state"):
        found = await client.get(path, headers={"If-None-Match": '"3"'})
        assert (found.status_code, found.content) == (304, b"")
        assert (await ok(client, path, **{"If-None-Match": '"2"'})).headers["etag"] == '"3"'


async def test_the_version_of_a_stream_is_what_a_command_expects(client: AsyncClient) -> None:
    tag = (await ok(client, "/streams/account-a1")).headers["etag"]
    deposit = {"account_id": "a1", "amount": 1}
    done = await client.post("/commands/deposit", json=deposit, headers={"If-Match": tag})
    assert (done.status_code, done.headers["etag"]) == (200, '"4"')
    late = await client.post("/commands/deposit", json=deposit, headers={"If-Match": tag})
    assert late.status_code == 412


async def test_the_state_now_and_then(client: AsyncClient, bank_api: HttpApi) -> None:
    now = (await ok(client, "/streams/account-a1/state")).json()
    assert now["state"] == {"owner": "Ann", "balance": 120, "notes": ["rent"]}
    assert (now["aggregate"], now["version"], now["position"]) == ("Account", 3, 4)
    at_version = (await ok(client, "/streams/account-a1/state?version=2")).json()
    assert (at_version["state"]["balance"], at_version["version"]) == (150, 2)
    at_position = (await ok(client, "/streams/account-a1/state?position=3")).json()
    assert (at_position["state"]["balance"], at_position["version"], at_position["position"]) == (150, 2, 2)
    at_time = (await ok(client, f"/streams/account-a1/state?at={now['time']}")).json()
    assert at_time == now


@pytest.mark.parametrize("place", ["version=9", "position=0", "at=2001-01-01T00:00:00Z"])
async def test_there_is_no_state_at_a_place_that_is_not_there(client: AsyncClient, place: str) -> None:
    found = await client.get(f"/streams/account-a1/state?{place}")
    assert (found.status_code, found.json()["code"]) == (404, "not-found")


async def test_the_history_is_a_state_and_a_patch_for_each_record(client: AsyncClient) -> None:
    found = (await ok(client, "/streams/account-a1/history")).json()
    assert (found["version"], found["state"]) == (0, {"owner": "", "balance": 0, "notes": []})
    assert [change["record"]["type"] for change in found["changes"]] == [
        "account-opened",
        "money-deposited",
        "money-withdrawn",
    ]
    assert found["changes"][1]["patch"] == [
        {"op": "replace", "path": "/balance", "value": 150},
        {"op": "add", "path": "/notes/0", "value": "rent"},
    ]
    state: Any = found["state"]
    for change in found["changes"]:
        state = apply(state, msgspec.convert(change["patch"], list[PatchStep]))
        path = f"/streams/account-a1/state?version={change['record']['version']}"
        assert state == (await ok(client, path)).json()["state"]


async def test_the_history_goes_on_where_a_page_ended(client: AsyncClient) -> None:
    first = (await ok(client, "/streams/account-a1/history?limit=2")).json()
    rest = (await ok(client, first["links"]["next"])).json()
    assert (rest["version"], rest["state"]["balance"]) == (2, 150)
    assert [change["record"]["version"] for change in rest["changes"]] == [3]
    assert "next" not in rest["links"]
    end = (await ok(client, "/streams/account-a1/history?after=3")).json()
    assert (end["state"]["balance"], end["changes"]) == (120, [])


async def test_a_page_of_large_states_is_shorter(client: AsyncClient, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stream_history, "MAX_BYTES", 0)
    path, versions = "/streams/account-a1/history", list[int]()
    while path:
        found = (await ok(client, path)).json()
        versions += [change["record"]["version"] for change in found["changes"]]
        path = found["links"].get("next")
    assert versions == [1, 2, 3]


@pytest.mark.parametrize(
    ("path", "status", "code"),
    [
        ("/streams/account-zz", 404, "not-found"),
        ("/streams/account-zz/state", 404, "not-found"),
        ("/streams/account-zz/history", 404, "not-found"),
        ("/streams/account-a1/history?after=9", 404, "not-found"),
        ("/streams/unknown-a1/state", 404, "not-found"),
        ("/streams/unknown-a1/history", 404, "not-found"),
        ("/streams/", 404, "unknown-route"),
        ("/streams/account", 422, "invalid-name"),
        ("/streams/account-", 422, "invalid-name"),
        ("/streams/%ED%A0%80-a", 422, "invalid-name"),
        ("/streams/account-%00", 422, "invalid-name"),
        ("/streams/account-%zz", 422, "invalid-name"),
        ("/streams/account-" + "a" * 5_000, 422, "invalid-name"),
        ("/streams?limit=0", 422, "invalid-parameter"),
        ("/streams?limit=1001", 422, "invalid-parameter"),
        ("/streams?limit=1&limit=2", 422, "invalid-parameter"),
        ("/streams?Limit=1", 422, "invalid-parameter"),
        ("/streams?prefix=%00", 422, "invalid-parameter"),
        ("/streams?after=" + "a" * 5_000, 422, "invalid-parameter"),
        ("/streams/account-a1?after=-1", 422, "invalid-parameter"),
        ("/streams/account-a1?after=" + "9" * 5_000, 422, "invalid-parameter"),
        ("/streams/account-a1?after=%D9%A3", 422, "invalid-parameter"),
        ("/streams/account-a1?after=", 422, "invalid-parameter"),
        ("/streams/account-a1?unknown=1", 422, "invalid-parameter"),
        ("/streams/account-a1/state?version=1&position=1", 422, "invalid-parameter"),
        ("/streams/account-a1/state?at=yesterday", 422, "invalid-parameter"),
        ("/streams/account-a1/state?at=2030-01-01T00:00:00", 422, "invalid-parameter"),
        ("/streams/account-a1/state?at=1e308", 422, "invalid-parameter"),
    ],
)
async def test_what_is_wrong_is_told(client: AsyncClient, path: str, status: int, code: str) -> None:
    found = await client.get(path)
    assert (found.status_code, found.json()["code"]) == (status, code), found.text


@pytest.mark.parametrize("path", ["/streams?prefix=%zz&after=%ED%A0%80", "/streams/account-a1?after=" + "9" * 18])
async def test_what_is_strange_and_not_wrong_is_answered(client: AsyncClient, path: str) -> None:
    assert (await ok(client, path)).status_code == 200


@pytest.mark.parametrize("at", ["0001-01-01T00:00:00%2B14:00", "9999-12-31T23:59:59-14:00"])
async def test_the_ends_of_time(client: AsyncClient, at: str) -> None:
    assert (await client.get(f"/streams/account-a1/state?at={at}")).status_code in {200, 404}


async def test_links_hold_where_the_api_is_mounted(bank_api: HttpApi) -> None:
    transport = httpx.ASGITransport(bank_api, root_path="/bank")
    async with AsyncClient(transport=transport, base_url="http://localhost") as mounted:
        first = (await ok(mounted, "/bank/streams?limit=1")).json()
        assert first["links"]["next"] == "/bank/streams?after=account-a1&limit=1"
        assert (await ok(mounted, first["links"]["next"])).json()["streams"]


async def test_times_are_utc(client: AsyncClient) -> None:
    time = (await ok(client, "/streams/account-a1/state")).json()["time"]
    assert datetime.fromisoformat(time) <= datetime.now(UTC)
    assert time.endswith("Z")
