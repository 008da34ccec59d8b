"""Whatever is sent, the answer is a 4xx problem, and the service goes on. Over a real socket where it matters."""

import json
import re
import socket
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest

from everfold.http.api import HttpApi
from everfold.http.gate import OPEN
from tests.http.bank import bank
from tests.http.conftest import serving

JSON = {"content-type": "application/json"}
GOOD = {"account_id": "a1", "owner": "Ann"}


def check_problem(response: httpx.Response, status: int | None = None) -> None:
    assert 400 <= response.status_code < 500, response.text
    assert status is None or response.status_code == status, response.text
    assert response.headers["content-type"] == "application/problem+json"
    problem = response.json()
    assert problem["status"] == response.status_code
    assert problem["type"] == f"urn:everfold:problem:{problem['code']}"
    assert problem["help"] == f"/problems/{problem['code']}"
    assert len(response.content) < 2_000 + len(response.request.url.path)


BODIES: dict[str, bytes] = {
    "nothing": b"",
    "no json": b"hello",
    "half of it": b'{"account_id": "a1", "own',
    "more than it": b'{"account_id": "a1", "owner": "Ann"} {}',
    "a list": b"[]",
    "null": b"null",
    "a wrong type": b'{"account_id": "a1", "owner": 5}',
    "a null": b'{"account_id": "a1", "owner": null}',
    "a missing field": b'{"account_id": "a1"}',
    "an unknown field": b'{"account_id": "a1", "owner": "Ann", "role": "admin"}',
    "deep lists": b"[" * 500_000,
    "deep objects": b'{"a":' * 150_000,
    "deep and closed": b'{"account_id": ' + b"[" * 5_000 + b"]" * 5_000 + b"}",
    "invalid utf-8": b'{"account_id": "a1", "owner": "\xff\xfe"}',
    "an overlong form": b'{"account_id": "a1", "owner": "\xc0\xaf"}',
    "half a surrogate pair": b'{"account_id": "a1", "owner": "\\ud800"}',
    "a surrogate in utf-8": b'{"account_id": "a1", "owner": "\xed\xa0\x80"}',
    "utf-16": '{"account_id": "a1", "owner": "Ann"}'.encode("utf-16"),
    "a NUL in a key": b'{"account_id": "a\\u00001", "owner": "Ann"}',
    "an empty key": b'{"account_id": "", "owner": "Ann"}',
    "a slash in a key": b'{"account_id": "a/b", "owner": "Ann"}',
    "a key without end": b'{"account_id": "' + b"x" * 100_000 + b'", "owner": "Ann"}',
    "a number too large": b'{"account_id": "a1", "owner": "Ann", "initial_balance": 1' + b"0" * 30 + b"}",
    "a number of thousands of digits": b'{"account_id": "a1", "owner": "Ann", "initial_balance": '
    + b"9" * 9_000
    + b"}",
    "infinity": b'{"account_id": "a1", "owner": "Ann", "initial_balance": 1e999}',
    "not a number": b'{"account_id": "a1", "owner": "Ann", "initial_balance": NaN}',
    "a negative number": b'{"account_id": "a1", "owner": "Ann", "initial_balance": -1}',
    "a fraction": b'{"account_id": "a1", "owner": "Ann", "initial_balance": 1.5}',
}


@pytest.mark.parametrize("name", BODIES)
async def test_a_body_that_is_no_command(client: httpx.AsyncClient, name: str) -> None:
    check_problem(await client.post("/commands/open-account", content=BODIES[name], headers=JSON))
    check_problem(await client.post("/accounts", content=BODIES[name], headers=JSON))
    check_problem(await client.post("/queries/get-account", content=BODIES[name], headers=JSON))

    await check_empty(client)


async def check_empty(client: httpx.AsyncClient) -> None:
    """It goes on, and nothing was done."""
    assert (await client.get("/accounts")).json()["total"] == 0


async def test_a_body_that_is_too_large(client: httpx.AsyncClient) -> None:
    body = json.dumps(GOOD | {"owner": "x" * 2_000_000})

    check_problem(await client.post("/accounts", content=body, headers=JSON), 413)
    await check_empty(client)


async def test_an_event_that_is_too_large(folder: Path) -> None:
    api = HttpApi(bank(str(folder / "bank.db"), max_event_bytes=1_000), gate=OPEN)
    async with (
        api.lifespan(),
        httpx.AsyncClient(transport=httpx.ASGITransport(api), base_url="http://localhost") as client,
    ):
        response = await client.post("/accounts", json=GOOD | {"owner": "x" * 2_000})

    check_problem(response, 413)
    assert response.json()["code"] == "payload-too-large"


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("GET", "/commands/open-account", "POST"),
        ("DELETE", "/queries/get-account", "GET, HEAD, POST"),
        ("PUT", "/accounts", "GET, HEAD, POST"),
        ("PATCH", "/accounts/a1", "GET, HEAD"),
        ("OPTIONS", "/commands/open-account", "POST"),
        ("BREW", "/commands/open-account", "POST"),
    ],
)
async def test_a_wrong_method(client: httpx.AsyncClient, method: str, path: str, allowed: str) -> None:
    response = await client.request(method, path)

    check_problem(response, 405)
    assert response.headers["allow"] == allowed


@pytest.mark.parametrize(
    "path",
    [
        "/",
        "/nothing",
        "/commands",
        "/commands/",
        "/commands/nothing",
        "/commands/open-account/",
        "/Commands/open-account",
        "//commands/open-account",
        "/accounts/",
        "/accounts/a%2Fb",
        "/accounts/%00",
        "/accounts/%ff%fe",
        "/accounts/" + "x" * 5_000,
        "/accounts/..%2f..%2fetc%2fpasswd",
        "/queries/get-account?account_id=%00",
        "/queries/get-account?account_id=%ed%a0%80",
        "/problems/nothing",
    ],
)
async def test_a_path_that_leads_nowhere(client: httpx.AsyncClient, path: str) -> None:
    check_problem(await client.get(path), 404)


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"content-type": "text/plain"}, 415),
        ({"content-type": "application/json", "content-encoding": "gzip"}, 415),
        ({"content-type": "application/json", "content-length": "many"}, 400),
        ({"content-type": "application/json", "if-match": "nothing"}, 400),
        ({"content-type": "application/json", "idempotency-key": "x" * 5_000}, 422),
        ({"content-type": "application/json", "x-correlation-id": "\x7f"}, 400),
    ],
)
async def test_a_header_that_does_not_fit(client: httpx.AsyncClient, headers: dict[str, str], status: int) -> None:
    check_problem(await client.post("/accounts", content=json.dumps(GOOD), headers=headers), status)
    await check_empty(client)


# --- over a socket


def say(url: str, *parts: bytes, ends: bool = False) -> bytes:
    """Send these bytes as they are, and read what is answered until the server closes or has said a whole reply."""
    with socket.create_connection(("127.0.0.1", urlsplit(url).port or 0), timeout=10) as connection:
        for part in parts:
            connection.sendall(part)
        if ends:
            connection.shutdown(socket.SHUT_WR)
        found = b""
        while not is_whole(found):
            part = connection.recv(65_536)
            if not part:
                break
            found += part
        return found


def is_whole(answer: bytes) -> bool:
    head, _, body = answer.partition(b"\r\n\r\n")
    length = re.search(rb"(?i)content-length: (\d+)", head)
    return length is not None and len(body) >= int(length[1])


HEAD = b"POST /accounts HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"


@pytest.mark.parametrize(
    ("sent", "status"),
    [
        ((HEAD + b"Content-Length: 9999999999\r\n\r\n",), 413),
        ((HEAD + b"Transfer-Encoding: chunked\r\n\r\n", *[b"10000\r\n" + b"x" * 65_536 + b"\r\n"] * 17), 413),
        ((b"nonsense\r\n\r\n",), 400),
        ((HEAD + b"Content-Length: -5\r\n\r\n",), 400),
        ((HEAD + b"Transfer-Encoding: chunked\r\n\r\nzz\r\n",), 400),
    ],
)
def test_bytes_that_are_no_request(served: str, sent: tuple[bytes, ...], status: int) -> None:
    assert say(served, *sent).startswith(b"HTTP/1.1 %d " % status)
    assert httpx.get(f"{served}/livez").status_code == 200


def test_a_body_that_never_ends(folder: Path) -> None:
    with serving(HttpApi(bank(str(folder / "slow.db"), request_timeout=0.2), gate=OPEN)) as url:
        answer = say(url, HEAD + b'Content-Length: 100\r\n\r\n{"account_id"')

        assert answer.startswith(b"HTTP/1.1 408 ")
        assert b"urn:everfold:problem:request-too-slow" in answer
        assert httpx.get(f"{url}/accounts").json()["total"] == 0


def test_a_client_that_goes_away_in_the_middle(served: str) -> None:
    with socket.create_connection(("127.0.0.1", urlsplit(served).port or 0), timeout=10) as connection:
        connection.sendall(HEAD + b'Content-Length: 100\r\n\r\n{"account_id"')

    done: Any = httpx.post(f"{served}/accounts", json=GOOD)
    assert done.status_code == 201
