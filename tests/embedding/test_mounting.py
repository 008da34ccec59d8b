"""The API mounted in Starlette and FastAPI, and what it says when nobody has started its app."""

import os
from pathlib import Path

import httpx
import pytest
from starlette.applications import Starlette
from starlette.routing import Mount

from everfold.http.api import HttpApi
from everfold.http.gate import OPEN
from tests.embedding.hosted import check_recipe, served
from tests.http.bank import bank


def test_in_starlette(folder: Path) -> None:
    api = HttpApi(bank(str(folder / "bank.db")))
    with served(Starlette(routes=[Mount("/es", api)], lifespan=api.lifespan)) as client:
        check_recipe(client, "/es")


def test_in_fastapi_behind_a_proxy_with_a_prefix(folder: Path) -> None:
    from fastapi import FastAPI

    api = HttpApi(bank(str(folder / "bank.db")))
    host = FastAPI(lifespan=api.lifespan)
    host.mount("/es", api)
    with served(host, root_path="/outer") as client:  # the proxy has taken /outer away from the paths
        opened = client.post("/es/accounts", json={"account_id": "a1", "owner": "Ann"})
        assert opened.headers["location"] == "/outer/es/accounts/a1"
        assert client.get("/es/events").json()["links"]["self"].startswith("/outer/es/events")
        assert client.get("/es/nothing").json()["help"] == "/outer/es/problems/unknown-route"


async def test_a_prefix_that_a_proxy_has_left_in_no_path() -> None:
    api = HttpApi(bank("bank.db"))
    async with (
        api.lifespan(),
        httpx.AsyncClient(
            transport=httpx.ASGITransport(api, root_path="/outer"), base_url="http://localhost"
        ) as client,
    ):
        opened = await client.post("/accounts", json={"account_id": "a1", "owner": "Ann"})
        assert opened.headers["location"] == "/outer/accounts/a1"


@pytest.mark.parametrize("gate", [None, OPEN])
async def test_without_its_lifespan_it_says_what_is_missing(folder: Path, gate: object) -> None:
    api = HttpApi(bank("bank.db", authentication=True), gate=OPEN if gate else None)
    host = Starlette(routes=[Mount("/es", api)])
    async with httpx.AsyncClient(transport=httpx.ASGITransport(host), base_url="http://localhost") as client:
        answers = [
            await client.post("/es/commands/deposit", json={"account_id": "a1", "amount": 1}),
            await client.get("/es/accounts"),
            await client.get("/es/events"),
            await client.get("/es/events/live"),
        ]
        assert (await client.get("/es/livez")).status_code == 200
        assert (await client.get("/es/readyz")).json()["reasons"] == ["the app is not running"]
    for answer in answers:
        assert answer.status_code == 503
        assert answer.json()["code"] == "store-closed"
        assert "lifespan=api.lifespan" in answer.json()["detail"]
    assert not os.listdir(folder), "nothing was opened"  # noqa: PTH208 (nobody waits for it)
