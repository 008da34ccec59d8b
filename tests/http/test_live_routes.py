"""Live: every event once, from any position on, for many clients; slow ones are told; all ends with the server."""

import asyncio
import socket
import threading
from collections.abc import AsyncGenerator, Callable, Generator
from contextlib import AsyncExitStack, contextmanager
from pathlib import Path
from typing import Any, Self

import httpx
import pytest

from everfold.errors import StoreUnavailable
from everfold.http import live_tail
from everfold.http.api import HttpApi
from everfold.http.gate import OPEN
from tests.http.bank import bank
from tests.http.conftest import serving
from tests.http.event_source import EventSource, listening

Served = Callable[..., Any]


class Bank:
    """Writes over HTTP, as anybody would."""

    def __init__(self, url: str) -> None:
        self.url = url
        self._client = httpx.AsyncClient(base_url=url, timeout=30)

    async def open(self, account: str, owner: str = "Ann") -> None:
        await self._post("/accounts", {"account_id": account, "owner": owner})

    async def deposit(self, account: str, amount: int, note: str = "") -> int:
        return await self._post("/commands/deposit", {"account_id": account, "amount": amount, "note": note})

    async def _post(self, path: str, body: Any) -> int:
        done = await self._client.post(path, json=body)
        assert done.is_success, done.text
        return int(done.json()["position"])

    async def get(self, path: str) -> httpx.Response:
        return await self._client.get(path)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._client.aclose()


@pytest.fixture
async def bank_at(served: str) -> AsyncGenerator[Bank]:
    """The served bank, with account-a1 (position 1)."""
    async with Bank(served) as client:
        await client.open("a1")
        yield client


@contextmanager
def served_with(folder: Path, **settings: Any) -> Generator[tuple[str, HttpApi]]:
    api = HttpApi(bank(str(folder / "own.db"), **settings), gate=OPEN)
    with serving(api) as url:
        yield url, api


async def caught_up(url: str, stack: AsyncExitStack, **headers: str) -> EventSource:
    source = await stack.enter_async_context(listening(url, **headers))
    await source.until("caught-up")
    return source


async def test_what_was_there_comes_first_then_what_happens(bank_at: Bank) -> None:
    await bank_at.deposit("a1", 5, "first\nlast\u2028")
    async with listening(f"{bank_at.url}/events/live?after=0") as source:
        headers = source.headers
        assert headers["content-type"].startswith("text/event-stream")
        assert (headers["cache-control"], headers["x-accel-buffering"]) == ("no-store", "no")
        there = await source.until("caught-up")
        assert [(one.event, one.id) for one in there] == [("event", 1), ("event", 2), ("caught-up", 2)]
        feed = (await bank_at.get("/events")).json()
        assert [one.data for one in there[:2]] == feed["records"]
        assert there[2].data == {"position": 2}
        await bank_at.deposit("a1", 6)
        new = await source.next()
        assert (new.event, new.id, new.data["data"]["amount"]) == ("event", 3, 6)


async def test_by_default_it_begins_with_what_comes(bank_at: Bank) -> None:
    async with listening(f"{bank_at.url}/events/live") as source:
        assert (await source.next()).event == "caught-up"
        await bank_at.deposit("a1", 5)
        assert (await source.next()).id == 2


async def test_a_lost_connection_goes_on_where_it_was(bank_at: Bank) -> None:
    for amount in range(1, 6):
        await bank_at.deposit("a1", amount)
    async with listening(f"{bank_at.url}/events/live?after=0", **{"Last-Event-ID": "3"}) as source:
        assert [one.id for one in await source.until("caught-up")] == [4, 5, 6, 6]


async def test_only_what_is_wanted_is_sent(bank_at: Bank) -> None:
    path = "/events/live?after=0&stream=account-b1&type=money-deposited"
    async with listening(bank_at.url + path) as source:
        assert [one.id for one in await source.until("caught-up")] == [1]
        await bank_at.open("b1", "Bob")
        await bank_at.deposit("a1", 7)
        await bank_at.deposit("b1", 8)
        found = await source.next()
        assert (found.id, found.data["data"]["amount"]) == (4, 8)


async def test_a_position_behind_which_nothing_is_yet(bank_at: Bank) -> None:
    position = await bank_at.deposit("a1", 5)
    async with listening(f"{bank_at.url}/events/live?after={position}") as source:
        assert (await source.next()).event == "caught-up"


async def test_a_position_beyond_the_log(bank_at: Bank) -> None:
    found = await bank_at.get("/events/live?after=99")
    assert (found.status_code, found.json()["code"]) == (422, "invalid-parameter")
    async with listening(f"{bank_at.url}/events/live", **{"Last-Event-ID": "99"}) as source:
        reset = await source.next()
        assert (reset.event, reset.id, reset.data["reason"]) == ("reset", 1, "beyond-the-log")
        assert [one async for one in source.rest()] == []


@pytest.mark.parametrize("last", ["x", "-1", "1.5", "9" * 30, "9" * 5_000])
@pytest.mark.parametrize("path", ["/events/live", "/queries/list-accounts/live"])
async def test_an_id_that_is_none(client: httpx.AsyncClient, path: str, last: str) -> None:
    found = await client.get(path, headers={"Last-Event-ID": last})
    assert (found.status_code, found.json()["code"]) == (422, "invalid-parameter")


@pytest.mark.parametrize("query", ["after=-1", "limit=5", "stream=a", "type=%00", "after=" + "9" * 99])
async def test_what_is_wrong_is_told(client: httpx.AsyncClient, query: str) -> None:
    assert (await client.get(f"/events/live?{query}")).status_code == 422


async def test_twenty_clients_lose_nothing_and_see_nothing_twice(bank_at: Bank) -> None:
    async with AsyncExitStack() as stack:
        sources = [await caught_up(f"{bank_at.url}/events/live", stack) for _ in range(10)]

        async def write() -> None:
            for amount in range(1, 201, 5):
                await asyncio.gather(*[bank_at.deposit("a1", amount + more) for more in range(5)])

        writing = asyncio.create_task(write())
        # ten more join while it is written, from the first event on: no seam where they meet the others
        joining = [await stack.enter_async_context(listening(f"{bank_at.url}/events/live?after=0")) for _ in range(10)]
        await writing

        async def positions(source: EventSource, first: int) -> list[int | None]:
            found: list[int | None] = []
            while not found or found[-1] != 201:
                one = await source.next()
                if one.event == "event":
                    found.append(one.id)
            return found

        for found in await asyncio.gather(*[positions(source, 2) for source in sources]):
            assert found == list(range(2, 202))
        for found in await asyncio.gather(*[positions(source, 1) for source in joining]):
            assert found == list(range(1, 202))


async def test_nothing_happens_for_a_while(folder: Path) -> None:
    with served_with(folder, heartbeat_seconds=0.05) as (url, _):
        async with listening(f"{url}/events/live") as source:
            assert (await source.next()).event == "caught-up"
            for _ in range(2):
                beat = await source.next()
                assert (beat.event, beat.id, beat.data) == ("heartbeat", 0, {"position": 0})


async def test_a_heartbeat_tells_how_far_a_filtered_stream_is(folder: Path) -> None:
    with served_with(folder, heartbeat_seconds=0.1) as (url, _):
        async with listening(f"{url}/events/live?type=unheard-of") as source, Bank(url) as writer:
            await writer.open("a1")
            while (beat := await source.next()).id != 1:
                assert beat.event in {"caught-up", "heartbeat"}


async def test_a_client_that_does_not_receive_is_told_to_begin_anew(folder: Path) -> None:
    with served_with(folder, slow_client_seconds=0.5) as (url, api), socket.socket() as client:
        clients = api._live.clients  # pyright: ignore[reportPrivateUsage]
        async with Bank(url) as writer:
            for number in range(16):  # far more than sockets and buffers hold
                await writer.deposit(f"a{number}", 1, "x" * 900_000)
        host, port = url.removeprefix("http://").split(":")
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65_536)
        client.connect((host, int(port)))
        client.sendall(b"GET /events/live?after=0 HTTP/1.1\r\nHost: localhost\r\n\r\n")
        client.settimeout(20)
        received = await asyncio.to_thread(client.recv, 4_096)
        assert b"200 OK" in received
        await asyncio.sleep(1)  # the client sleeps
        assert len(clients) == 1
        received += await asyncio.to_thread(_to_the_end, client)
    events = received.split(b"\n\n")
    positions = [int(text.split(b"id: ")[1].split(b"\n")[0]) for text in events if b"event: event" in text]
    assert positions == list(range(1, len(positions) + 1))
    assert len(positions) < 16
    assert b'"reason":"slow-client"' in next(text for text in events if b"event: reset" in text)


def _to_the_end(client: socket.socket) -> bytes:
    received = b""
    while not received.endswith(b"0\r\n\r\n"):
        part = client.recv(65_536)
        assert part
        received += part
    return received


async def test_clients_that_fall_behind_read_the_log_and_join_again(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(live_tail, "KEPT_BYTES", 0)
    monkeypatch.setattr(live_tail, "PIECE_BYTES", 1)
    with served_with(folder) as (url, _):
        async with listening(f"{url}/events/live?after=0") as source, Bank(url) as writer:
            for _ in range(5):
                await asyncio.gather(*[writer.deposit("a1", 1) for _ in range(10)])
            found = list[int | None]()
            while not found or found[-1] != 50:
                if (one := await source.next()).event == "event":
                    found.append(one.id)
            assert found == list(range(1, 51))


async def test_a_log_that_cannot_be_read_ends_every_stream(folder: Path) -> None:
    with served_with(folder) as (url, api):
        async with listening(f"{url}/events/live") as source, Bank(url) as writer:
            await source.until("caught-up")
            engine: Any = api.app.store.engine

            async def fail(*_: object, **__: object) -> None:
                raise StoreUnavailable("The disk is gone.")

            with pytest.MonkeyPatch.context() as patch:
                patch.setattr(engine, "read", fail)
                await writer.open("a1")
                reset = (await source.until("reset"))[-1]
            assert reset.data == {"reason": "store-unavailable", "detail": "The disk is gone."}
        async with listening(f"{url}/events/live?after=0") as again:  # it is read again for those who come
            assert (await again.next()).id == 1


async def test_no_more_clients_than_the_setting_says(folder: Path) -> None:
    with served_with(folder, live_clients=2) as (url, _):
        async with listening(f"{url}/events/live") as one:
            assert one.status == 200
            async with listening(f"{url}/queries/list-accounts/live") as two, listening(f"{url}/events/live") as three:
                assert (two.status, three.status) == (200, 503)
                assert three.headers["retry-after"] == "1"
            async with asyncio.timeout(20):  # once the server has noticed that the second one is gone
                while await _status(f"{url}/events/live") == 503:
                    pass


async def _status(url: str) -> int:
    async with listening(url) as source:
        return source.status


async def test_the_server_can_stop_while_clients_listen(folder: Path) -> None:
    async with AsyncExitStack() as stack:
        with served_with(folder) as (url, _):
            sources = [await caught_up(f"{url}/events/live", stack) for _ in range(3)]
            sources.append(await stack.enter_async_context(listening(f"{url}/queries/list-accounts/live")))
            assert (await sources[-1].next()).event == "answer"
        assert not [thread for thread in threading.enumerate() if thread.name == "server"]
        for source in sources:
            assert [one async for one in source.rest()] == []


async def test_a_query_is_answered_again_when_the_answer_changes(bank_at: Bank) -> None:
    async with listening(f"{bank_at.url}/queries/get-account/live?account_id=a1", **{"Last-Event-ID": "1"}) as source:
        first = await source.next()
        assert (first.event, first.id) == ("answer", 1)
        assert first.data == {"account_id": "a1", "owner": "Ann", "balance": 0}
        await bank_at.open("b1")
        position = await bank_at.deposit("a1", 5)
        second = await source.next()
        assert (second.data["balance"], second.id) == (5, position)


async def test_what_is_wrong_with_a_query_is_told_before_it_begins(client: httpx.AsyncClient) -> None:
    missing = await client.get("/queries/get-account/live?account_id=zz")
    assert (missing.status_code, missing.json()["code"]) == (404, "not-found")
    wrong = await client.get("/queries/get-account/live?account=zz")
    assert (wrong.status_code, wrong.json()["code"]) == (422, "invalid-message")


async def test_a_query_from_beyond_the_log(bank_at: Bank) -> None:
    async with listening(f"{bank_at.url}/queries/list-accounts/live", **{"Last-Event-ID": "99"}) as source:
        reset = await source.next()
        assert (reset.event, reset.id) == ("reset", 1)


async def test_a_query_that_stays_as_it_is(folder: Path) -> None:
    with served_with(folder, heartbeat_seconds=0.05) as (url, _):
        async with listening(f"{url}/queries/list-accounts/live") as source:
            assert (await source.next()).event == "answer"
            assert (await source.next()).event == "heartbeat"


async def test_asking_only_for_the_headers(client: httpx.AsyncClient) -> None:
    for path in ("/events/live", "/queries/list-accounts/live"):
        found = await client.head(path)
        assert (found.status_code, found.content) == (200, b"")
        assert found.headers["content-type"].startswith("text/event-stream")
