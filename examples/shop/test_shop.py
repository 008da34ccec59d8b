"""The shop: three examples in one log, filled with data of its own, and served."""

import json
import os
import re
import signal
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from everfold import Position
from everfold.http import HttpApi
from everfold.http.gate import OPEN
from examples.accounts.app import GetBalance
from examples.orders.order_views import GetOrdersByCustomer
from examples.products.catalogue import ListProducts
from examples.shop.app import shop_app
from examples.shop.made_up_data import CATALOGUE, CUSTOMERS, fill


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in os.environ:
        if name.startswith("EVERFOLD_"):
            monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture(params=["sqlite", "postgres"])
def store(request: pytest.FixtureRequest, folder: Path) -> str:
    return request.getfixturevalue("postgres_url") if request.param == "postgres" else str(folder / "shop.db")


async def test_filled_once(store: str) -> None:
    async with shop_app(store) as app:
        assert await fill(app) > 500
        head = Position(await app.store.head())
        assert await fill(app) == 0
        assert await app.store.head() == head
        products = await app.ask(ListProducts(), after=head)
        assert products.total == sum(map(len, CATALOGUE.values()))
        orders = [await app.ask(GetOrdersByCustomer(customer_id=name.lower()), after=head) for name in CUSTOMERS]
        rows = [row for page in orders for row in page.items]
        assert {row.status for row in rows} == {
            "draft", "submitted", "confirmed", "shipped", "delivered", "cancelled",
        }  # fmt: skip
        assert {row.customer_name for row in rows} == set(CUSTOMERS)
        assert await app.ask(GetBalance(account_id="ann")) > 0


async def test_one_api_for_all_of_them(store: str) -> None:
    api = HttpApi(shop_app(store), gate=OPEN)
    async with (
        api.lifespan(),
        httpx.AsyncClient(transport=httpx.ASGITransport(api), base_url="http://localhost") as client,
    ):
        created = await client.post("/products", json={"name": "Tea", "category": "tea", "list_price": "3.95"})
        assert created.status_code == 201
        position = created.headers["everfold-position"]
        shown = await client.get(created.headers["location"], headers={"Everfold-After": position})
        assert shown.json()["list_price"] == "3.95"
        opened = await client.post("/commands/open-account", json={"account_id": "a", "owner": "Ann"})
        assert opened.status_code == 200
        item = {"product_id": created.json()["id"], "quantity": 2, "unit_price": "3.95"}
        placed = await client.post(
            "/commands/place-order", json={"order_id": "o1", "customer_id": "a", "items": [item]}
        )
        assert placed.json()["reply"] == "7.90"


@pytest.mark.skipif(sys.platform == "win32", reason="a signal is sent")
def test_it_is_served_with_what_to_ask(store: str) -> None:
    command = [sys.executable, "-m", "examples.shop", "--store", store, "--port", "0"]
    root = Path(__file__).parents[2]
    with subprocess.Popen(  # noqa: S603 (ours)
        command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, cwd=root
    ) as running:
        timer = threading.Timer(120, running.kill)
        timer.start()
        try:
            assert running.stdout
            said = "".join(until_served(running.stdout))
            token = re.findall(r"Bearer (\S+)\"", said)[0]
            asked = re.findall(r'curl -H "\$AUTH" "(\S+)"\n', said)
            assert len(asked) >= 3
            for url in asked:
                assert get(url, token)
            running.send_signal(signal.SIGTERM)
            assert running.wait(60) == 0
        finally:
            timer.cancel()
            running.kill()


def until_served(lines: Iterator[str]) -> Iterator[str]:
    for line in lines:
        yield line
        if line.startswith("Stop with"):
            return
    raise AssertionError("it was not served")


def get(url: str, token: str) -> Any:
    """What it answers, once its read models are there."""
    request = urllib.request.Request(url, headers={"Authorization": f"Bearer {token}"})  # noqa: S310 (ours)
    deadline = time.monotonic() + 60
    while True:
        try:
            with urllib.request.urlopen(request, timeout=60) as answer:  # noqa: S310 (ours)
                return json.load(answer)
        except urllib.error.HTTPError as error:
            with error:
                assert error.code == 503, error.read()
            assert time.monotonic() < deadline
