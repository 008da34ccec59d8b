"""A host that is served by uvicorn in a thread, and what every recipe has to do there."""

import asyncio
import json
import socket
import threading
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from typing import Any

import httpx
import uvicorn


@contextmanager
def served(host: Any, **options: Any) -> Generator[httpx.Client]:
    """A client of an ASGI application that runs on a free port as long as the block does."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        config = uvicorn.Config(host, log_config=None, lifespan=options.pop("lifespan", "on"), **options)
        server = uvicorn.Server(config)
        thread = threading.Thread(target=lambda: asyncio.run(server.serve([listening])), name="host")
        thread.start()
        try:
            url = f"http://127.0.0.1:{listening.getsockname()[1]}"
            with httpx.Client(base_url=url, timeout=60) as client:
                wait_until_it_answers(client, thread)
                yield client
        finally:
            server.should_exit = True
            thread.join(60)
            assert not thread.is_alive(), "the host did not stop"


def wait_until_it_answers(client: httpx.Client, thread: threading.Thread) -> None:
    """The socket listens already: a request waits until the host has started."""
    assert thread.is_alive()
    client.get("/")


def events(lines: Iterator[str]) -> Iterator[tuple[str, Any]]:
    """The events of a stream: name and data."""
    name = ""
    for line in lines:
        if line.startswith("event:"):
            name = line.partition(":")[2].strip()
        elif line.startswith("data:"):
            yield name, json.loads(line.partition(":")[2])


def check_recipe(client: httpx.Client, prefix: str, **headers: str) -> None:
    """Command, query that reads the write, refusal as a problem, links and the live log, all under the prefix."""
    client.headers.update(headers)
    opened = client.post(f"{prefix}/accounts", json={"account_id": "a1", "owner": "Ann"})
    assert opened.status_code == 201, opened.text
    assert opened.headers["location"] == f"{prefix}/accounts/a1"
    paid = client.post(f"{prefix}/commands/deposit", json={"account_id": "a1", "amount": 70})
    assert paid.status_code == 200, paid.text
    after = {"Everfold-After": paid.headers["everfold-position"]}
    for path in (opened.headers["location"], f"{prefix}/queries/get-account?account_id=a1"):
        assert client.get(path, headers=after).json() == {"account_id": "a1", "owner": "Ann", "balance": 70}
    refused = client.post(f"{prefix}/commands/withdraw", json={"account_id": "a1", "amount": 71})
    assert refused.status_code == 409
    assert refused.headers["content-type"] == "application/problem+json"
    problem = refused.json()
    assert problem["reason"] == "insufficient-funds"
    assert problem["help"] == f"{prefix}/problems/rejected"
    assert client.get(problem["help"]).status_code == 200
    page = client.get(f"{prefix}/events?limit=1").json()
    assert page["links"]["next"].startswith(f"{prefix}/events?")
    assert client.get(page["links"]["next"]).json()["records"]
    nothing = client.get(f"{prefix}/nothing-there")
    assert (nothing.status_code, nothing.json()["code"]) == (404, "unknown-route")
    with client.stream("GET", f"{prefix}/events/live?after=0") as live:
        found = events(live.iter_lines())
        names = [data["type"] for _, data in (next(found), next(found))]
    assert names == ["account-opened", "money-deposited"]
