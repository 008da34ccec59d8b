"""The bank with its gate shut, and clients that prove who they are. For the tests of the gate."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx

from everfold.http.api import HttpApi
from everfold.http.gate import GateKeeper
from everfold.security.tokens import Tokens
from tests.http.bank import bank

URL = "http://localhost:8000"


def gate_of(api: HttpApi) -> GateKeeper:
    assert isinstance(api.gate, GateKeeper)
    return api.gate


def tokens_of(api: HttpApi) -> Tokens:
    return gate_of(api).authentication.tokens


@asynccontextmanager
async def guarded(folder: Path, **settings: Any) -> AsyncGenerator[HttpApi]:
    api = HttpApi(bank(str(folder / "guarded.db"), **{"authentication": True, **settings}))
    async with api.lifespan():
        yield api


def asking(api: HttpApi, secret: str | None = None, *, url: str = URL) -> httpx.AsyncClient:
    """A client that sends this token, if any."""
    headers = {} if secret is None else {"authorization": f"Bearer {secret}"}
    return httpx.AsyncClient(transport=httpx.ASGITransport(api), base_url=url, headers=headers)


async def as_role(api: HttpApi, role: str, **options: Any) -> httpx.AsyncClient:
    """A client with a token of this role."""
    return asking(api, await tokens_of(api).create(f"a-{role}", [role], **options))


def code_of(response: httpx.Response) -> str:
    return str(response.json()["code"])
