"""The products example served: what a REST client expects of a catalogue."""

from collections.abc import AsyncGenerator
from pathlib import Path
from typing import Any

import httpx
import pytest

from everfold.http.api import HttpApi
from everfold.http.gate import OPEN
from examples.products.app import ProductIds, products_app

HELMET = {"name": "Helmet", "category": "Accessories", "list_price": "34.99"}


class Ids(ProductIds):
    def __init__(self) -> None:
        self.given = iter(["p:1=", "p2", "p3"])

    def next(self) -> str:
        return next(self.given)


@pytest.fixture
async def products(folder: Path) -> AsyncGenerator[httpx.AsyncClient]:
    api = HttpApi(products_app(str(folder / "products.db"), ids=Ids()), gate=OPEN)
    transport = httpx.ASGITransport(api)
    async with api.lifespan(), httpx.AsyncClient(transport=transport, base_url="http://localhost") as client:
        yield client


async def read(products: httpx.AsyncClient, path: str, after: httpx.Response) -> httpx.Response:
    """Read one's own write."""
    return await products.get(path, headers={"Everfold-After": after.headers["everfold-position"]})


async def created(products: httpx.AsyncClient, **fields: Any) -> httpx.Response:
    response = await products.post("/products", json=HELMET | fields)
    assert response.status_code == 201, response.text
    return response


async def test_a_new_product_is_201_with_its_place_and_id(products: httpx.AsyncClient) -> None:
    response = await created(products)

    assert response.headers["location"] == "/products/p%3A1%3D"  # whatever the id is made of
    assert response.headers["etag"] == '"2"'
    reply = response.json()
    assert reply["reply"] == reply["id"] == "p:1="
    assert reply["events"] == ["product-created", "list-price-set"]


async def test_what_was_made_is_read_at_its_location(products: httpx.AsyncClient) -> None:
    await created(products)
    second = await created(products, name="Gloves")

    found = await read(products, second.headers["location"], second)

    assert found.status_code == 200
    assert found.json() == {
        "product_id": "p2",
        "name": "Gloves",
        "category": "Accessories",
        "number": None,
        "list_price": "34.99",
        "standard_cost": "0",
        "discontinued": None,
    }


async def test_the_list_is_filtered_sorted_and_paged(products: httpx.AsyncClient) -> None:
    await created(products)
    await created(products, name="Gloves", list_price=12)
    last = await created(products, name="Tyre", category="Parts", list_price=20.5)

    found = await read(products, "/products?category=Accessories&order=-list_price&limit=1", last)
    dear = await read(products, "/products?min_price=20", last)

    assert (found.status_code, found.json()["total"]) == (200, 2)
    assert [row["name"] for row in found.json()["items"]] == ["Helmet"]
    assert {row["list_price"] for row in dear.json()["items"]} == {"34.99", "20.5"}


async def test_put_changes_and_the_same_put_again_records_nothing(products: httpx.AsyncClient) -> None:
    await created(products)
    await created(products)
    changed = {**HELMET, "name": "Helm"}

    first = await products.put("/products/p2", json=changed)
    again = await products.put("/products/p2", json=changed)

    assert (first.status_code, first.json()["events"]) == (200, ["product-changed"])
    assert (again.status_code, again.json()["events"], again.headers["etag"]) == (200, [], '"3"')
    assert "location" not in first.headers
    assert (await read(products, "/products/p2", first)).json()["name"] == "Helm"


async def test_delete_removes_it_for_good(products: httpx.AsyncClient) -> None:
    await created(products)
    await created(products)

    deleted = await products.delete("/products/p2")
    again = await products.delete("/products/p2")

    assert deleted.status_code == 200
    assert (await read(products, "/products/p2", deleted)).status_code == 404
    assert (again.status_code, again.json()["reason"]) == (409, "no-such-product")


async def test_what_is_not_there_is_404(products: httpx.AsyncClient) -> None:
    response = await products.get("/products/nothing")

    assert response.status_code == 404
    assert response.headers["content-type"] == "application/problem+json"
    assert response.json()["type"] == "urn:everfold:problem:not-found"


async def test_a_refusal_of_the_domain_is_409_with_its_reason_and_facts(products: httpx.AsyncClient) -> None:
    response = await products.post("/products", json=HELMET | {"list_price": "-1"})

    problem = response.json()
    assert (response.status_code, problem["code"], problem["reason"]) == (409, "rejected", "wrong-price")
    assert problem["facts"] == {"price": "-1"}


@pytest.mark.parametrize(
    ("fields", "named"),
    [
        ({"name": ""}, "$.name"),
        ({"name": 5}, "$.name"),
        ({"list_price": "much"}, "$.list_price"),
        ({"colour": "red"}, "colour"),
        ({"list_price": "NaN"}, "list_price"),
    ],
)
async def test_what_does_not_fit_is_422_and_named(
    products: httpx.AsyncClient, fields: dict[str, Any], named: str
) -> None:
    response = await products.post("/products", json=HELMET | fields)

    assert (response.status_code, response.json()["code"]) == (422, "invalid-message")
    assert named in response.json()["detail"]


@pytest.mark.parametrize("query", ["limit=0", "limit=501", "limit=x", "offset=-1", "order=colour", "colour=red"])
async def test_a_filter_that_does_not_fit_is_422(products: httpx.AsyncClient, query: str) -> None:
    assert (await products.get(f"/products?{query}")).status_code == 422


async def test_a_changed_product_needs_its_version(products: httpx.AsyncClient) -> None:
    await created(products)
    second = await created(products)
    changed = HELMET | {"name": "Helm"}

    stale = await products.put("/products/p2", json=changed, headers={"If-Match": '"1"'})
    right = await products.put("/products/p2", json=changed, headers={"If-Match": second.headers["etag"]})

    assert (stale.status_code, stale.json()["actual"], stale.json()["expected"]) == (412, 2, 1)
    assert right.status_code == 200


async def test_a_path_tells_which_methods_it_takes(products: httpx.AsyncClient) -> None:
    response = await products.patch("/products/p2", json={})

    assert response.status_code == 405
    assert response.headers["allow"] == "DELETE, GET, HEAD, PUT"


async def test_the_past_can_be_asked_for(products: httpx.AsyncClient) -> None:
    await created(products)
    second = await created(products)
    await products.put("/products/p2", json=HELMET | {"name": "Helm"})

    then = await products.get("/products/p2", headers={"Everfold-As-Of": second.headers["everfold-position"]})

    assert then.json()["name"] == "Helmet"
    assert "etag" not in then.headers
