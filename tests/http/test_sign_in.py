"""Signing in with a browser: a link that works once, a session that ends, pages that show nothing secret."""

import re
from collections.abc import AsyncGenerator
from pathlib import Path

import httpx
import pytest

from everfold.http.api import HttpApi
from everfold.security.tokens import CODE, SESSION
from tests.http.guarded import URL, asking, code_of, gate_of, guarded, tokens_of


@pytest.fixture
async def api(folder: Path) -> AsyncGenerator[HttpApi]:
    async with guarded(folder) as api:
        yield api


async def new_code(api: HttpApi, url: str = URL) -> str:
    link = await gate_of(api).new_sign_in_link(url)
    assert link.startswith(f"{url}/sign-in#code=everfold_")
    return link.partition("code=")[2]


async def sign_in(client: httpx.AsyncClient, code: str) -> httpx.Response:
    return await client.post("/sign-in", data={"code": code}, headers={"sec-fetch-site": "same-origin"})


async def test_the_link_begins_a_session(api: HttpApi) -> None:
    async with asking(api) as client:
        assert (await client.get("/accounts")).status_code == 401
        done = await sign_in(client, await new_code(api))
        assert (done.status_code, done.headers["location"]) == (303, "sign-in")
        assert (await client.get("/accounts")).status_code == 200
        page = await client.get("/sign-in")
        assert "You are signed in as operator (operator)." in page.text


async def test_the_cookie_over_http_and_https(api: HttpApi) -> None:
    async with asking(api) as client:
        plain = (await sign_in(client, await new_code(api))).headers["set-cookie"]
    assert re.fullmatch(
        r"everfold-session-8000=everfold_[\w-]{43}; HttpOnly; Max-Age=43200; Path=/; SameSite=strict", plain
    )
    async with asking(api, url="https://localhost") as client:
        secure = (await sign_in(client, await new_code(api))).headers["set-cookie"]
        assert secure.startswith("__Host-everfold-session=everfold_")
        assert "; Secure" in secure and "Domain" not in secure
        assert (await client.get("/accounts")).status_code == 200


async def test_a_code_works_once(api: HttpApi) -> None:
    code = await new_code(api)
    async with asking(api) as client, asking(api) as thief:
        assert (await sign_in(client, code)).status_code == 303
        again = await sign_in(thief, code)
        assert (again.status_code, code_of(again)) == (401, "not-authenticated")
        assert (await thief.get("/accounts")).status_code == 401


async def test_a_code_does_not_work_for_long(api: HttpApi) -> None:
    code = await tokens_of(api).create("ann", ["operator"], kind=CODE, seconds=0)
    async with asking(api) as client:
        assert (await sign_in(client, code)).status_code == 401


async def test_a_token_is_no_code(api: HttpApi) -> None:
    token = await tokens_of(api).create("ann", ["operator"])
    async with asking(api) as client:
        assert (await sign_in(client, token)).status_code == 401


async def test_a_code_is_no_token(api: HttpApi) -> None:
    async with asking(api, await new_code(api)) as client:
        assert (await client.get("/accounts")).status_code == 401


async def test_signing_out_ends_the_session(api: HttpApi) -> None:
    async with asking(api) as client:
        await sign_in(client, await new_code(api))
        kept = client.cookies["everfold-session-8000"]
        assert (await client.get("/accounts")).status_code == 200
        done = await client.post("/sign-out", headers={"sec-fetch-site": "same-origin"})
        assert done.status_code == 303
        assert "everfold-session-8000" not in client.cookies
        client.cookies.set("everfold-session-8000", kept)
        assert (await client.get("/accounts")).status_code == 401
        assert (await client.post("/sign-out")).status_code == 303


async def test_a_session_ends_by_itself(api: HttpApi) -> None:
    session = await tokens_of(api).create("ann", ["operator"], kind=SESSION, seconds=0)
    async with asking(api) as client:
        client.cookies.set("everfold-session-8000", session)
        assert (await client.get("/accounts")).status_code == 401


async def test_other_sites_cannot_sign_anybody_in_or_out(api: HttpApi) -> None:
    code = await new_code(api)
    async with asking(api) as client:
        for path in ("/sign-in", "/sign-out"):
            crossed = await client.post(path, data={"code": code}, headers={"sec-fetch-site": "cross-site"})
            assert code_of(crossed) == "cross-origin"
        assert (await sign_in(client, code)).status_code == 303


async def test_the_page_shows_nothing_secret_and_runs_only_its_own_script(api: HttpApi) -> None:
    code = await new_code(api)
    async with asking(api) as client:
        page = await client.get("/sign-in")
        assert page.headers["content-type"].startswith("text/html")
        assert page.headers["cache-control"] == "no-store"
        policy = page.headers["content-security-policy"]
        assert "form-action 'self'" in policy and "unsafe" not in policy
        assert "script-src 'sha256-" in policy
        assert code not in page.text
        assert (await sign_in(client, code)).status_code == 303  # to look did not use it up


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b"", 400),
        (b"nonsense", 400),
        (b"code=a&code=b", 400),
        (b"\xff\xfe", 400),
        (b"code=%ff%00", 401),
        (b"code=" + b"x" * 900, 401),
        (b"code=" + b"x" * 2000, 413),
    ],
)
async def test_other_forms(api: HttpApi, body: bytes, status: int) -> None:
    async with asking(api) as client:
        response = await client.post("/sign-in", content=body)
        assert response.status_code == status


async def test_names_are_shown_as_text(api: HttpApi) -> None:
    session = await tokens_of(api).create("ann", ["<b>"], kind=SESSION)
    async with asking(api) as client:
        client.cookies.set("everfold-session-8000", session)
        assert "(&lt;b&gt;)" in (await client.get("/sign-in")).text


async def test_it_works_where_the_api_is_mounted(api: HttpApi) -> None:
    """Everything on the page is relative."""
    async with asking(api) as client:
        page = (await client.get("/sign-in")).text
        assert 'action="sign-in"' in page
        assert not re.findall(r'(?:action|href|src)="/', page)
