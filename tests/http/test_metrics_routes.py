from pathlib import Path

import httpx
from prometheus_client import CONTENT_TYPE_LATEST

from everfold.http.api import HttpApi
from tests.http.guarded import asking, guarded, tokens_of
from tests.telemetry.promtool import promtool
from tests.telemetry.scraped import Scraped

REQUESTS = "everfold_http_requests_total"


async def scraped(client: httpx.AsyncClient) -> Scraped:
    response = await client.get("/metrics")
    assert response.status_code == 200, response.text
    return Scraped(response.text)


async def test_requests_are_counted_by_operation_and_class_of_status(client: httpx.AsyncClient) -> None:
    await client.post("/accounts", json={"account_id": "a1", "owner": "Ann"})
    await client.post("/accounts", json={"account_id": "a1", "owner": "Ann"})
    await client.post("/accounts", content=b"{")
    await client.get("/accounts/a2")
    await client.get("/livez")
    found = await scraped(client)
    assert found(REQUESTS, operation="post-open-account", status="2xx") == 1
    assert found(REQUESTS, operation="post-open-account", status="4xx") == 2
    assert found(REQUESTS, operation="get-get-account", status="4xx") == 1
    assert found(REQUESTS, operation="livez", status="2xx") == 1
    assert found("everfold_http_request_duration_seconds_count", operation="post-open-account") == 3
    assert found("everfold_commands_total", command="open-account", outcome="accepted") == 1
    assert found("everfold_live_clients") == 0
    assert (await scraped(client))(REQUESTS, operation="metrics", status="2xx") == 1


async def test_what_finds_no_operation_is_counted_under_one_name(client: httpx.AsyncClient) -> None:
    for number in range(3):
        assert (await client.get(f"/nowhere/{number}")).status_code == 404
    assert (await client.delete("/livez")).status_code == 405
    assert (await client.request("BREW", "/accounts/a1")).status_code == 405
    found = await scraped(client)
    assert found(REQUESTS, operation="none", status="4xx") == 5
    assert "nowhere" not in found.text


async def test_it_says_what_runs_and_is_not_kept(client: httpx.AsyncClient) -> None:
    version = (await client.get("/version")).json()["version"]
    response = await client.get("/metrics")
    assert response.headers["content-type"] == CONTENT_TYPE_LATEST
    assert response.headers["cache-control"] == "no-store"
    assert Scraped(response.text)("everfold_info", app="bank", version=version, role="all") == 1


async def test_only_who_may_look_may_look(folder: Path) -> None:
    async with guarded(folder) as api:
        tokens = tokens_of(api)
        prometheus = await tokens.create("prometheus", ["viewer"], only=["metrics"])
        teller = await tokens.create("ann", ["teller"])
        async with asking(api) as nobody:
            assert (await nobody.get("/metrics")).status_code == 401
        async with asking(api, teller) as ann:
            assert (await ann.get("/metrics")).status_code == 403
        async with asking(api, prometheus) as client:
            found = await scraped(client)
            assert (await client.get("/projections")).status_code == 403
        assert found(REQUESTS, operation="metrics", status="4xx") == 2, "those who were refused count too"
        assert prometheus not in found.text
        assert "ann" not in found.text.split()


async def test_two_apis_of_one_app_count_together(bank_api: HttpApi, client: httpx.AsyncClient) -> None:
    other = HttpApi(bank_api.app, gate=bank_api.gate)
    async with httpx.AsyncClient(transport=httpx.ASGITransport(other), base_url="http://localhost") as second:
        await second.get("/livez")
    await client.get("/livez")
    assert (await scraped(client))(REQUESTS, operation="livez", status="2xx") == 2


async def test_prometheus_finds_nothing_wrong_with_it(client: httpx.AsyncClient) -> None:
    await client.post("/accounts", json={"account_id": "a1", "owner": "Ann"})
    text = (await client.get("/metrics")).text
    # Its process metrics have the names that every client library gives them.
    own = "\n".join(line for line in text.splitlines() if "process_" not in line) + "\n"
    assert promtool("check", "metrics", text=own) == ""
