"""Nothing secret is told to anybody, and browsers are told what not to do with our answers."""

import logging
from collections.abc import AsyncGenerator
from pathlib import Path

import pytest

from everfold.http.api import HttpApi
from tests.http.guarded import URL, as_role, asking, gate_of, guarded, tokens_of

OPEN_A1 = {"account_id": "a1", "owner": "ann"}


@pytest.fixture
async def api(folder: Path) -> AsyncGenerator[HttpApi]:
    async with guarded(folder) as api:
        yield api


async def test_no_secret_in_logs_and_answers(api: HttpApi, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    wrong = "everfold_" + "w" * 43
    link = await gate_of(api).new_sign_in_link(URL)
    code = link.partition("code=")[2]
    token = await tokens_of(api).create("t", ["operator"])
    told = ""
    async with asking(api, wrong) as client:
        told += (await client.get("/accounts")).text
    async with asking(api, token) as client:
        told += (await client.get("/accounts")).text
        told += (await client.post("/accounts", json={"nonsense": token[:5]})).text
        told += (await client.get("/streams/everfold_audit-operators")).text
    async with asking(api) as client:
        signed_in = await client.post("/sign-in", data={"code": code})
        told += signed_in.text + (await client.get("/sign-in")).text
        told += (await client.post("/sign-in", data={"code": code})).text
        session = client.cookies["everfold-session-8000"]
    for secret in (wrong, token, code, session):
        assert secret not in told
        assert secret not in caplog.text
    for path in Path.cwd().glob("guarded*"):
        assert not any(secret.encode() in path.read_bytes() for secret in (token, code, session))


HEADERS = {
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "cross-origin-resource-policy": "same-origin",
    "cross-origin-opener-policy": "same-origin",
}


@pytest.mark.parametrize(
    "path", ["/livez", "/accounts", "/nothing", "/commands/withdraw", "/sign-in", "/problems/conflict"]
)
async def test_every_answer_has_security_headers(api: HttpApi, path: str) -> None:
    async with await as_role(api, "viewer") as client:
        headers = (await client.get(path)).headers
    assert {name: headers.get(name) for name in HEADERS} == HEADERS
    assert headers.get_list("content-security-policy") and len(headers.get_list("content-security-policy")) == 1
    assert "default-src 'none'" in headers["content-security-policy"]
    assert "frame-ancestors 'none'" in headers["content-security-policy"]
