"""Commands and queries as routes of a FastAPI host, in its own document."""

import json
from collections.abc import AsyncGenerator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Annotated, Any

import httpx
import pytest
from fastapi import Depends, FastAPI, Header, HTTPException
from fastapi.security import APIKeyHeader
from pydantic import BaseModel

from everfold.contrib.fastapi import fastapi_router
from everfold.http.api import HttpApi
from everfold.http.gate import GateKeeper
from everfold.security.policies import Policies, owner_of
from everfold.security.principal import Principal
from everfold.security.tokens import Tokens
from tests.embedding.hosted import served
from tests.http.bank import OpenAccount, bank

PEOPLE = {"a": Principal(name="ann", roles=frozenset({"operator"})), "b": Principal(name="bob")}


def current(key: Annotated[str, Depends(APIKeyHeader(name="x-api-key"))]) -> Principal | None:
    return PEOPLE.get(key)


def in_house(x_house: Annotated[str, Header()] = "") -> None:
    if x_house == "closed":
        raise HTTPException(423, "We are closed.")


class AccountSummary(BaseModel):
    """A type of the host's with the name of one of ours."""

    of_the_host: int


@asynccontextmanager
async def site(api: HttpApi, **options: Any) -> AsyncGenerator[httpx.AsyncClient]:
    host = FastAPI(lifespan=api.lifespan)
    router = fastapi_router(api, **options)
    host.include_router(router, prefix="/bank")
    router.describe_in(host)

    @host.get("/summary")
    def summary() -> AccountSummary:
        return AccountSummary(of_the_host=1)

    async with (
        api.lifespan(),
        httpx.AsyncClient(transport=httpx.ASGITransport(host), base_url="http://localhost") as client,
    ):
        yield client


def with_policies(folder: Path) -> HttpApi:
    app = bank(str(folder / "bank.db"), authentication=True)
    app.authorize = Policies({OpenAccount: owner_of("owner")})
    return HttpApi(app)


async def test_commands_and_queries_are_routes_of_the_host(folder: Path) -> None:
    api = with_policies(folder)
    async with site(api, principal=current) as client:
        client.headers["x-api-key"] = "b"
        opened = await client.post("/bank/accounts", json={"account_id": "a1", "owner": "bob"})
        assert (opened.status_code, opened.headers["location"]) == (201, "/bank/accounts/a1")
        refused = await client.post("/bank/commands/deposit", json={"account_id": "a1", "amount": 5})
        assert refused.status_code == 403
        assert refused.headers["content-type"] == "application/problem+json"
        assert "help" not in refused.json(), "there is no page of ours beside these routes"
        client.headers["x-api-key"] = "a"
        paid = await client.post(
            "/bank/accounts/a1/deposits", json={"amount": 5}, headers={"If-Match": opened.headers["etag"]}
        )
        assert paid.status_code == 200, paid.text
        after = {"Everfold-After": paid.headers["everfold-position"]}
        for path in ("/bank/accounts/a1", "/bank/queries/get-account?account_id=a1"):
            found = await client.get(path, headers=after)
            assert found.json() == {"account_id": "a1", "owner": "bob", "balance": 5}
        record = (await api.app.store.engine.read_stream("account-a1", limit=1))[0]
        assert record.metadata.actor == "bob"


@pytest.mark.parametrize(
    ("request_body", "status", "code"),
    [
        (b"{", 400, "malformed-request"),
        (b'{"owner": "bob"}', 422, "invalid-message"),
        (b"\xff", 400, "malformed-request"),
    ],
)
async def test_bad_input_is_told_as_a_problem(folder: Path, request_body: bytes, status: int, code: str) -> None:
    async with site(with_policies(folder), principal=current) as client:
        headers = {"x-api-key": "b", "content-type": "application/json"}
        answer = await client.post("/bank/commands/open-account", content=request_body, headers=headers)
        assert (answer.status_code, answer.json()["code"]) == (status, code)


async def test_who_is_not_known_and_who_the_host_turns_away(folder: Path) -> None:
    async with site(with_policies(folder), principal=current, dependencies=[Depends(in_house)]) as client:
        command = {"account_id": "a1", "owner": "bob"}
        strange = await client.post("/bank/commands/open-account", headers={"x-api-key": "?"}, json=command)
        assert (strange.status_code, strange.json()["code"]) == (401, "not-authenticated")
        headers = {"x-api-key": "b", "x-house": "closed"}
        closed = await client.post("/bank/commands/open-account", headers=headers, json=command)
        assert (closed.status_code, closed.json()) == (423, {"detail": "We are closed."})


async def test_without_a_dependency_tokens_are_asked_for(folder: Path) -> None:
    api = with_policies(folder)
    assert isinstance(api.gate, GateKeeper)
    async with site(api) as client:
        assert (await client.get("/bank/accounts")).status_code == 401
        tokens: Tokens = api.gate.authentication.tokens
        secret = await tokens.create("reader", ["viewer"])
        assert (await client.get("/bank/accounts", headers={"authorization": f"Bearer {secret}"})).status_code == 200
        document = (await client.get("/openapi.json")).json()
        assert {"bank.token": []} in document["paths"]["/bank/accounts"]["get"]["security"]
        assert document["components"]["securitySchemes"]["bank.token"]["scheme"] == "bearer"


async def test_the_document_of_the_host_tells_their_types(folder: Path) -> None:
    async with site(with_policies(folder), principal=current, tags=["bank"]) as client:
        document = (await client.get("/openapi.json")).json()
        assert (await client.get("/openapi.json")).json() == document
        assert (await client.get("/docs")).status_code == 200
    opening = document["paths"]["/bank/accounts"]["post"]
    assert opening["summary"] == "Open an account"
    assert opening["tags"] == ["bank"]
    assert opening["security"] == [{"APIKeyHeader": []}]
    body = resolved(document, opening["requestBody"]["content"]["application/json"]["schema"])
    assert body["required"] == ["account_id", "owner"]
    assert set(opening["responses"]) >= {"200", "201", "409", "412", "422"}
    told = document["paths"]["/bank/accounts/{account_id}"]["get"]["responses"]["200"]["content"]["application/json"]
    assert set(resolved(document, told["schema"])["properties"]) == {"account_id", "owner", "balance"}
    own = document["paths"]["/summary"]["get"]["responses"]["200"]["content"]["application/json"]["schema"]
    assert set(resolved(document, own)["properties"]) == {"of_the_host"}
    for reference in references(document):
        assert resolved(document, {"$ref": reference}), reference
    for link in links(document):
        assert link["operationId"] in operation_ids(document)
    assert not [path for path in document["paths"] if path.startswith(("/bank/events", "/bank/streams"))]


def resolved(document: Any, part: Any) -> Any:
    while "$ref" in part:
        found = document
        for name in part["$ref"].removeprefix("#/").split("/"):
            found = found[name]
        part = found
    return part


def nodes(part: Any) -> Iterator[Any]:
    """Every object in the document."""
    found: list[Any] = []

    def keep(node: dict[str, Any]) -> dict[str, Any]:
        found.append(node)
        return node

    json.loads(json.dumps(part), object_hook=keep)
    return iter(found)


def references(document: Any) -> set[str]:
    return {node["$ref"] for node in nodes(document) if isinstance(node.get("$ref"), str)}


def links(document: Any) -> Iterator[Any]:
    for node in nodes(document["paths"]):
        yield from node["links"].values() if isinstance(node.get("links"), dict) else ()


def operation_ids(document: Any) -> set[str]:
    return {node["operationId"] for path in document["paths"].values() for node in path.values()}


def test_over_a_socket_with_a_live_log_beside_it(folder: Path) -> None:
    api = HttpApi(bank(str(folder / "bank.db")))
    host = FastAPI(lifespan=api.lifespan)
    host.include_router(fastapi_router(api))
    host.mount("/es", api)
    with served(host) as client:
        assert client.post("/accounts", json={"account_id": "a1", "owner": "Ann"}).status_code == 201
        with client.stream("GET", "/es/events/live?after=0") as live:
            assert next(line for line in live.iter_lines() if line.startswith("event:")) == "event: event"
