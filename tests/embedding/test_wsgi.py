"""The API and the blocking app in WSGI servers: one for each process, started late and closed at its end."""

import os
import subprocess
import sys
import threading
from collections.abc import Generator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import pytest
from starlette.requests import Request

from everfold import Rejected
from everfold.contrib.one_per_process import OnePerProcess
from everfold.contrib.wsgi import WsgiApi, problem
from everfold.http.gate import OPEN
from everfold.http.host_gate import HostGate
from everfold.security.principal import Principal
from tests.http.bank import GetAccount, OpenAccount, bank

ROOT = Path(__file__).parents[2]


@pytest.fixture
def banks(folder: Path) -> Generator[OnePerProcess]:
    one = OnePerProcess(bank(str(folder / "bank.db")))
    yield one
    one.close()


@pytest.fixture
def client(banks: OnePerProcess) -> Generator[httpx.Client]:
    transport = httpx.WSGITransport(WsgiApi(banks, gate=OPEN), script_name="/es")
    with httpx.Client(transport=transport, base_url="http://localhost") as client:
        yield client


def test_it_starts_when_it_is_asked_and_ends_when_it_is_closed(banks: OnePerProcess, folder: Path) -> None:
    assert not (folder / "bank.db").exists()
    with ThreadPoolExecutor(8) as threads:
        apps = {future.result() for future in [threads.submit(lambda: id(banks())) for _ in range(50)]}
    assert len(apps) == 1, "one for all threads"
    done = banks().execute(OpenAccount(account_id="a1", owner="Ann"))
    banks.close()
    banks.close()
    assert not [thread for thread in threading.enumerate() if thread.name == "everfold-portal"]
    assert banks().ask(GetAccount(account_id="a1"), after=done).owner == "Ann"


def test_commands_queries_and_links_as_under_asgi(client: httpx.Client) -> None:
    opened = client.post("/accounts", json={"account_id": "a1", "owner": "Ann"})
    assert (opened.status_code, opened.headers["location"]) == (201, "/es/accounts/a1")
    key = {"Idempotency-Key": "once"}
    paid = [client.post("/commands/deposit", json={"account_id": "a1", "amount": 7}, headers=key) for _ in range(2)]
    assert [answer.json()["repeated"] for answer in paid] == [False, True]
    after = {"Everfold-After": paid[0].headers["everfold-position"]}
    found = client.get("/accounts/%61%31", headers=after)
    assert found.json() == {"account_id": "a1", "owner": "Ann", "balance": 7}
    assert client.get("/accounts/%61%31", headers={"If-None-Match": found.headers["etag"]}).status_code == 304
    assert client.get("/events").json()["links"]["self"].startswith("/es/events")
    assert client.head("/livez").content == b""


@pytest.mark.parametrize(
    ("content", "headers", "status"),
    [
        (b"{", {}, 400),
        (b"{}", {"content-type": "text/plain"}, 415),
        (b"[" * 100_000, {}, 422),
        (b'{"account_id": "' + b"x" * 2_000_000 + b'"}', {}, 413),
        (b"\xff\xfe", {}, 400),
    ],
)
def test_bad_input_is_refused(client: httpx.Client, content: bytes, headers: dict[str, str], status: int) -> None:
    answer = client.post("/commands/deposit", content=content, headers={"content-type": "application/json", **headers})
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"


def test_what_never_ends_is_refused(client: httpx.Client) -> None:
    client.post("/accounts", json={"account_id": "a1", "owner": "Ann"})
    for path in ("/events/live", "/queries/list-accounts/live"):
        answer = client.get(path)
        assert answer.status_code == 404
        assert "everfold run" in answer.json()["detail"]
    assert client.get("/accounts").status_code == 200


@pytest.mark.parametrize(
    ("environ", "status"),
    [
        ({"CONTENT_LENGTH": "", "wsgi.input_terminated": True}, "200 OK"),
        ({"CONTENT_LENGTH": "nonsense"}, "400 Bad Request"),
        ({"CONTENT_LENGTH": ""}, "422 Unprocessable Entity"),
    ],
)
def test_a_body_of_unknown_length(banks: OnePerProcess, environ: dict[str, Any], status: str) -> None:
    """Only some servers tell where it ends. Of the others nothing is read, which could wait for ever."""
    import io

    found: list[str] = []
    asked = {
        "REQUEST_METHOD": "POST",
        "PATH_INFO": "/commands/deposit",
        "CONTENT_TYPE": "application/json",
        "wsgi.input": io.BytesIO(b'{"account_id": "a1", "amount": 1}'),
        **environ,
    }
    assert [*WsgiApi(banks, gate=OPEN)(asked, lambda line, _headers: found.append(line))]  # type: ignore[arg-type]
    assert found == [status]


def test_the_gate_is_told_what_the_server_knows(banks: OnePerProcess) -> None:
    def who(request: Request) -> Principal | None:
        name = request.scope["wsgi.environ"].get("REMOTE_USER")
        return Principal(name=name, roles=frozenset({"viewer"})) if name else None

    api = WsgiApi(banks, gate=HostGate(banks.app, who))

    def as_ann(environ: Any, start_response: Any) -> Any:
        return api({**environ, "REMOTE_USER": "ann"}, start_response)

    for site, status in ((api, 401), (as_ann, 200)):
        with httpx.Client(transport=httpx.WSGITransport(site), base_url="http://localhost") as client:
            assert client.get("/accounts").status_code == status


def test_a_rebuild_that_is_under_way_does_not_keep_it_from_closing(banks: OnePerProcess, client: httpx.Client) -> None:
    client.post("/accounts", json={"account_id": "a1", "owner": "Ann"})
    assert client.post("/projections/account-summaries/rebuild").status_code == 202
    banks.close()
    assert client.get("/accounts").status_code == 200, "and it can be started again"


def test_errors_of_own_views_are_told_alike() -> None:
    body, status, headers = problem(Rejected("insufficient-funds", "The balance is 3.", balance=3))
    assert (status, headers["content-type"]) == (409, "application/problem+json")
    assert b'"reason":"insufficient-funds"' in body
    assert b"help" not in body


FORKING = """
import os, sys
from everfold.contrib.one_per_process import OnePerProcess
from everfold.errors import DefinitionError
from tests.http.bank import Deposit, GetAccount, OpenAccount, bank

def forked(work):
    worker = os.fork()
    if not worker:
        work()
        sys.exit(0)
    return worker

def deposit():
    for _ in range(20):
        one().execute(Deposit(account_id="a1", amount=1))

def refused():
    try:
        one()
    except DefinitionError as error:
        assert "after the fork" in str(error)
    else:
        sys.exit(1)

one = OnePerProcess(bank("bank.db"))
one().execute(OpenAccount(account_id="a1", owner="Ann"))
one.close()
workers = [forked(deposit) for _ in range(3)]
assert [os.waitpid(worker, 0)[1] for worker in workers] == [0, 0, 0]
one()
assert os.waitpid(forked(refused), 0)[1] == 0
done = one().execute(Deposit(account_id="a1", amount=1))
print(one().ask(GetAccount(account_id="a1"), after=done).balance)
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="nothing forks here")
def test_every_worker_of_a_server_that_forks_has_its_own(folder: Path) -> None:
    """Which it starts itself; one that is forked while the app is running is told why it cannot."""
    command = [sys.executable, "-W", "error", "-W", "ignore::DeprecationWarning", "-c", FORKING]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    run = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, timeout=120, check=False)
    assert (run.returncode, run.stdout, run.stderr) == (0, "61\n", "")


def test_the_end_of_the_process_closes_it(folder: Path) -> None:
    program = """
import atexit
from everfold.contrib.one_per_process import OnePerProcess
from tests.http.bank import OpenAccount, bank

one = OnePerProcess(bank("bank.db"))
running = one.app
atexit.register(lambda: print("running" if running.is_running else "closed"))
one().execute(OpenAccount(account_id="a1", owner="Ann"))
print("running" if running.is_running else "closed")
"""
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    run = subprocess.run(
        [sys.executable, "-W", "error", "-c", program],
        cwd=folder, env=environment, capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert (run.returncode, run.stdout, run.stderr) == (0, "running\nclosed\n", "")
