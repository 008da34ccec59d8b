"""The programs of ``examples/embedding``, each served as its host is served, and asked."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.embedding.hosted import events, served

ROOT = Path(__file__).parents[2]
ANN, BOB = {"x-api-key": "key-of-ann"}, {"x-api-key": "key-of-bob"}
OPEN = {"account_id": "a1", "owner": "Ann", "initial_balance": 5}


def site_of(name: str) -> Any:
    """The application of an example, in this process: each can be run again."""
    from importlib import import_module

    return import_module(f"examples.embedding.{name}").site


@pytest.mark.parametrize("name", ["in_starlette", "in_fastapi", "in_litestar"])
def test_the_api_is_mounted(name: str) -> None:
    with served(site_of(name)) as client:
        opened = client.post("/es/commands/open-account", json=OPEN, headers=ANN)
        assert opened.status_code == 200, opened.text
        assert client.post("/es/commands/open-account", json=OPEN, headers=BOB).status_code == 403
        assert client.get("/es/queries/get-balance?account_id=a1").status_code == 401
        after = {"Everfold-After": opened.headers["everfold-position"]}
        found = client.get("/es/queries/get-account?account_id=a1", headers={**BOB, **after})
        assert found.json() == {"account_id": "a1", "owner": "Ann", "balance": 5, "is_open": True}
        record = client.get("/es/streams/account-a1", headers=BOB).json()["records"][0]
        assert record["metadata"]["actor"] == "ann"
        with client.stream("GET", "/es/events/live?after=0", headers=BOB) as live:
            name, data = next(events(live.iter_lines()))
            assert (name, data["type"]) == ("event", "account-opened")


def test_fastapi_shows_commands_and_queries_in_its_own_document() -> None:
    with served(site_of("in_fastapi")) as client:
        assert client.post("/bank/commands/open-account", json=OPEN, headers=ANN).status_code == 200
        assert client.get("/bank/queries/get-balance?account_id=a1", headers=BOB).json() == 5
        assert client.get("/me", headers=BOB).json() == "bob"
        assert "swagger-ui" in client.get("/docs").text
        document = client.get("/openapi.json").json()
        deposit = document["paths"]["/bank/commands/deposit"]["post"]
        schema = deposit["requestBody"]["content"]["application/json"]["schema"]
        assert schema["$ref"].removeprefix("#/components/schemas/") in document["components"]["schemas"]
        assert deposit["security"] == [{"APIKeyHeader": []}]


def test_flask() -> None:
    from examples.embedding.in_flask import bank, site

    try:
        with httpx.Client(transport=httpx.WSGITransport(site), base_url="http://localhost") as client:
            assert client.post("/es/commands/open-account", json=OPEN, headers=ANN).status_code == 200
            paid = client.post("/accounts/a1/deposits", json={"amount": 7}, headers=ANN)
            assert paid.json() == {"balance": 12}
            refused = client.post("/accounts/a1/deposits", json={"amount": -7}, headers=ANN)
            assert (refused.status_code, refused.json()["code"]) == (422, "invalid-message")
            assert client.get("/es/queries/get-balance?account_id=a1", headers=BOB).json() == 12
            records = client.get("/es/streams/account-a1", headers=BOB).json()["records"]
            assert [record["metadata"]["actor"] for record in records] == ["ann", "ann"]
            assert client.get("/es/events/live", headers=BOB).status_code == 404
    finally:
        bank.close()


def run(program: str, folder: Path) -> Any:
    """What a program tells as JSON. Django is configured once in a process: each of its examples has one."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", program],
        cwd=folder, env=environment, capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert not done.stderr
    return json.loads(done.stdout)


def test_django_asgi(folder: Path) -> None:
    told = run(
        """
import json
from examples.embedding.in_django_asgi import app, site, urlpatterns
from tests.embedding.hosted import events, served
from asgiref.sync import async_to_sync
from django.http import JsonResponse
from django.urls import path
from examples.accounts.domain import Deposit
from django.contrib.auth.models import User
from django.core.management import call_command
from django.test import Client

call_command("migrate", verbosity=0)
keys = {}
for name, is_staff in (("ann", True), ("bob", False)):
    user = User.objects.create_user(name, is_staff=is_staff)
    signing_in = Client()
    signing_in.force_login(user)
    keys[name] = {"cookie": f"sessionid={signing_in.cookies['sessionid'].value}", "sec-fetch-site": "same-origin"}

@async_to_sync
async def deposit(amount):
    return await app.execute(Deposit(account_id="a1", amount=amount))

urlpatterns.append(path("sync", lambda request: JsonResponse({"version": int(deposit(1).version)})))
told = {}
command = {"account_id": "a1", "owner": "Ann", "initial_balance": 5}
with served(site) as client:
    for name, headers in {**keys, "nobody": {}}.items():
        told[name] = client.post("/es/commands/open-account", json=command, headers=headers).status_code
    cross_site = {**keys["ann"], "sec-fetch-site": "cross-site"}
    told["cross_site"] = client.post("/es/commands/open-account", json=command, headers=cross_site).status_code
    told["view"] = client.get("/balance/a1").json()
    told["query"] = client.get("/es/queries/get-balance?account_id=a1", headers=keys["bob"]).json()
    told["actor"] = client.get("/es/streams/account-a1", headers=keys["bob"]).json()["records"][0]["metadata"]["actor"]
    told["next"] = client.get("/es/events?limit=1", headers=keys["bob"]).json()["links"]["self"]
    told["sync"] = client.get("/sync").json()
    told["django"] = client.get("/nothing").headers["content-type"]
    with client.stream("GET", "/es/events/live?after=0", headers=keys["bob"]) as live:
        told["live"] = next(events(live.iter_lines()))[1]["type"]
print(json.dumps(told))
""",
        folder,
    )
    assert told == {
        "ann": 200,
        "bob": 403,
        "nobody": 401,
        "cross_site": 403,
        "view": {"balance": 5},
        "query": 5,
        "actor": "ann",
        "next": "/es/events?limit=1",
        "sync": {"version": 2},
        "django": "text/html; charset=utf-8",
        "live": "account-opened",
    }


def test_django_wsgi(folder: Path) -> None:
    told = run(
        """
import json
import httpx
from examples.accounts.domain import OpenAccount
from examples.embedding.in_django_wsgi import bank, site

with httpx.Client(transport=httpx.WSGITransport(site), base_url="http://localhost") as client:
    unknown = client.post("/accounts/a1/deposits", json={"amount": 7})
    bank().execute(OpenAccount(account_id="a1", owner="Ann"))
    paid = client.post("/accounts/a1/deposits", json={"amount": 7})
    invalid = client.post("/accounts/a1/deposits", json={"amount": -7})
refused = [(answer.status_code, answer.json()["code"]) for answer in (unknown, invalid)]
print(json.dumps([*refused, paid.json()]))
""",
        folder,
    )
    assert told == [[409, "rejected"], [422, "invalid-message"], {"balance": 7}]
