"""The OpenAPI document: valid, complete, the same each time, and able to say every type."""

import datetime as dt
import uuid
from collections.abc import AsyncGenerator, Callable
from dataclasses import dataclass
from decimal import Decimal
from enum import Enum
from functools import cache
from pathlib import Path
from typing import Annotated, Any

import attrs
import httpx
import jsonschema_rs
import msgspec
import pydantic
import pytest
from msgspec import Meta
from schemathesis.specs.openapi.definitions import OPENAPI_31

from everfold import App, Command, Query
from everfold.http.api import HttpApi
from everfold.http.gate import OPEN
from everfold.http.openapi.document import openapi_document
from everfold.http.openapi.problem_replies import codes_of
from everfold.http.openapi.schemas import DECIMAL
from everfold.http.operation import Needs
from everfold.http.problem_pages import PAGES
from examples.orders.app import orders_app
from examples.products.app import products_app
from tests.http.bank import bank


class Colour(Enum):
    RED = "red"
    BLUE = "blue"


@dataclass
class Spot:
    x: float
    y: float


@attrs.define
class Box:
    width: int


class Weather(pydantic.BaseModel):
    """A model."""

    wind: int
    spot: dict[str, int]
    inner: "Inner | None" = None


class Inner(pydantic.BaseModel):
    at: dt.datetime


class Cat(msgspec.Struct, tag="cat"):
    name: str


class Dog(msgspec.Struct, tag="dog"):
    name: str
    price: Decimal


class Everything(Command[Weather], route="POST /everything"):
    at: dt.datetime
    on: dt.date
    by: dt.time
    lasts: dt.timedelta
    id: uuid.UUID
    data: bytes
    price: Decimal
    colour: Colour
    spot: Spot
    box: Box
    pet: Cat | Dog
    tags: set[str]
    count: Annotated[int, Meta(ge=1, le=5)]
    pair: tuple[int, Decimal]
    moments: dict[str, list[dt.datetime]]
    limit: Decimal | None = None


class Unknown:
    """A class that nobody can describe."""


class Found(Query[list[Dog | Cat]]):
    near: Spot | None = None
    pets: list[Dog] = msgspec.field(default_factory=list[Dog])
    names: list[str] = msgspec.field(default_factory=list[str])


class Odd(Query[Unknown]):
    pass


def everything() -> App:
    app = App("everything", store="memory:")

    @app.handles(Everything)
    async def do(command: Everything) -> Weather:
        return Weather(wind=command.count, spot={})

    @app.answers(Found)
    async def find(query: Found) -> list[Dog | Cat]:
        return [*query.pets, Cat(str(query.near)), *[Cat(name) for name in query.names]]

    @app.answers(Odd)
    async def odd(query: Odd) -> Unknown:
        return Unknown()

    return app


def in_file(make: Callable[[str], App]) -> Callable[[], App]:
    return lambda: make("app.db")


APPS = {"bank": in_file(bank), "products": in_file(products_app), "orders": in_file(orders_app), "types": everything}


def described(app: App) -> dict[str, Any]:
    return openapi_document(app, HttpApi(app, gate=OPEN).operations, version="1")


@cache
def document_of(name: str) -> dict[str, Any]:
    """Made once: the tests only look at it."""
    return described(APPS[name]())


@pytest.fixture(params=APPS)
def document(request: pytest.FixtureRequest) -> dict[str, Any]:
    """Of each application."""
    return document_of(request.param)


@pytest.fixture
async def served_types(folder: Path) -> AsyncGenerator[httpx.AsyncClient]:
    api = HttpApi(everything(), gate=OPEN)
    async with (
        api.lifespan(),
        httpx.AsyncClient(transport=httpx.ASGITransport(api), base_url="http://localhost") as client,
    ):
        yield client


def operations_of(document: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {one["operationId"]: one for path in document["paths"].values() for one in path.values()}


def test_it_is_valid_openapi(document: dict[str, Any]) -> None:
    jsonschema_rs.validator_for(OPENAPI_31).validate(document)


def test_each_schema_is_valid_json_schema(document: dict[str, Any]) -> None:
    for schema in document["components"]["schemas"].values():
        jsonschema_rs.meta.validate(schema)


def test_every_reference_leads_somewhere(document: dict[str, Any]) -> None:
    def look(part: Any) -> None:
        node: Any = part
        if isinstance(part, dict):
            if isinstance(node.get("$ref"), str):
                found: Any = document
                for step in node["$ref"].removeprefix("#/").split("/"):
                    found = found[step]
            for each in node.values():
                look(each)
        elif isinstance(part, list):
            for each in node:
                look(each)

    look(document)


def test_every_example_fits_its_schema(document: dict[str, Any]) -> None:
    checked = 0
    for operation in operations_of(document).values():
        told = [operation.get("requestBody", {}), *operation["responses"].values()]
        for content in [each["content"] for each in told if "content" in each]:
            for media in content.values():
                if "example" in media:
                    schema = media["schema"] | {"components": document["components"]}
                    jsonschema_rs.Draft202012Validator(schema, validate_formats=True).validate(media["example"])
                    checked += 1
    assert checked > 5


def test_every_route_is_in_it(folder: Path) -> None:
    api = HttpApi(bank("bank.db"), gate=OPEN)
    found = operations_of(openapi_document(api.app, api.operations, version="1"))

    assert set(found) == {operation.id for operation in api.operations}
    for operation in api.operations:
        told = found[operation.id]
        assert {int(status) for status in told["responses"]} >= {*operation.replies}
        for code in codes_of(operation):
            assert str(PAGES[code].status) in told["responses"]


def test_the_same_application_gives_the_same_document(folder: Path) -> None:
    once, again = (msgspec.json.encode(described(bank("bank.db"))) for _ in range(2))

    assert once == again


async def test_it_is_served_and_known_by_its_tag(client: httpx.AsyncClient) -> None:
    first = await client.get("/openapi.json")
    again = await client.get("/openapi.json", headers={"If-None-Match": first.headers["etag"]})

    assert (first.status_code, first.headers["content-type"]) == (200, "application/json")
    assert first.json()["openapi"].startswith("3.1.")
    assert (again.status_code, again.content) == (304, b"")


def test_it_says_who_may_use_what(folder: Path) -> None:
    document = described(bank("bank.db"))
    operations = operations_of(document)

    assert set(document["components"]["securitySchemes"]) == {"token", "session"}
    assert operations["livez"]["security"] == []
    assert operations["execute-deposit"]["security"] == [{}, {"token": []}, {"session": []}]
    assert operations["openapi"]["security"] == [{"token": []}, {"session": []}]
    assert {one["x-everfold-needs"] for one in operations.values()} <= {needs.value for needs in Needs}


def test_a_command_links_to_what_reads_it(folder: Path) -> None:
    operations = operations_of(described(bank("bank.db")))

    links = operations["post-open-account"]["responses"]["201"]["links"]
    assert links["get-get-account"]["parameters"] == {
        "path.account_id": "$response.body#/id",
        "header.Everfold-After": "$response.body#/position",
    }
    assert links["ask-get-account"]["parameters"]["query.account_id"] == "$response.body#/id"
    assert any("path.stream" in link["parameters"] for link in links.values())
    assert "links" not in operations["ask-get-account"]["responses"]["200"]


def test_a_command_that_makes_an_id_links_to_the_paths_below_its_own(folder: Path) -> None:
    links = operations_of(described(products_app("p.db")))["post-create-product"]["responses"]["201"]["links"]

    assert links["get-get-product"]["parameters"]["path.product_id"] == "$response.body#/id"
    assert links["put-update-product"]["parameters"] == {"path.product_id": "$response.body#/id"}


def test_every_kind_of_value_has_its_format() -> None:
    schemas = document_of("types")["components"]["schemas"]

    fields = schemas["Everything"]["properties"]
    decimal = {"type": ["string", "number"], "format": "decimal", "pattern": DECIMAL}
    assert fields["at"] == {"type": "string", "format": "date-time"}
    assert fields["on"] == {"type": "string", "format": "date"}
    assert fields["by"] == {"type": "string", "format": "time"}
    assert fields["lasts"] == {"type": "string", "format": "duration"}
    assert fields["id"] == {"type": "string", "format": "uuid"}
    assert fields["data"] == {"type": "string", "contentEncoding": "base64"}
    assert fields["price"] == decimal
    assert fields["limit"] == {"anyOf": [decimal, {"type": "null"}], "default": None}
    assert fields["pair"]["prefixItems"] == [{"type": "integer"}, decimal]
    assert fields["moments"]["additionalProperties"]["items"] == {"type": "string", "format": "date-time"}
    assert fields["tags"] == {"type": "array", "items": {"type": "string"}, "uniqueItems": True}
    assert fields["count"] == {"type": "integer", "minimum": 1, "maximum": 5}
    assert schemas["Colour"]["enum"] == ["blue", "red"]
    assert schemas["Spot"]["required"] == ["x", "y"]
    assert schemas["Box"]["properties"] == {"width": {"type": "integer"}}


def test_what_requests_may_write_otherwise_than_replies_is_described_twice() -> None:
    document = document_of("types")
    schemas = document["components"]["schemas"]

    assert schemas["Dog"]["properties"]["price"] == {"type": "string", "format": "decimal"}
    assert schemas["DogInput"]["properties"]["price"]["type"] == ["string", "number"]
    mapping = schemas["Everything"]["properties"]["pet"]["discriminator"]["mapping"]
    assert mapping == {"cat": "#/components/schemas/Cat", "dog": "#/components/schemas/DogInput"}


def test_a_pydantic_model_is_described_with_what_it_refers_to() -> None:
    schemas = document_of("types")["components"]["schemas"]

    reply = schemas["CommandReply_Weather_"]["properties"]["reply"]
    assert reply["properties"]["inner"]["anyOf"][0] == {"$ref": "#/components/schemas/Inner"}
    assert schemas["Inner"]["properties"]["at"]["format"] == "date-time"


def test_a_class_that_nobody_can_describe_leaves_the_others_described() -> None:
    operations = operations_of(document_of("types"))

    assert operations["ask-odd"]["responses"]["200"]["content"]["application/json"]["schema"] == {"title": "Unknown"}


def test_a_query_parameter_that_is_more_than_a_value_is_json() -> None:
    parameters = {each["name"]: each for each in operations_of(document_of("types"))["ask-found"]["parameters"]}

    assert parameters["near"]["content"]["application/json"]["schema"]["anyOf"][0] == {
        "$ref": "#/components/schemas/Spot"
    }
    assert parameters["names"]["schema"]["items"] == {"type": "string"}


async def test_the_example_of_a_request_is_accepted_and_its_reply_fits(served_types: httpx.AsyncClient) -> None:
    document = (await served_types.get("/openapi.json")).json()
    operation = operations_of(document)["post-everything"]

    body = operation["requestBody"]["content"]["application/json"]["example"]
    response = await served_types.post("/everything", json=body)

    assert response.status_code == 200, response.text
    schema = operation["responses"]["200"]["content"]["application/json"]["schema"]
    jsonschema_rs.Draft202012Validator(schema | {"components": document["components"]}).validate(response.json())
