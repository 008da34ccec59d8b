"""The server: slow and wrong clients are dealt with in bounded time, and its end loses nothing that was accepted."""

import asyncio
import json
import logging
import socket
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.types import Receive, Scope, Send

from everfold.app.settings import Settings
from everfold.errors import ConfigurationError
from everfold.http import connection, server
from everfold.http.server import HttpServer, listen, url_of

GET = b"GET / HTTP/1.1\r\nHost: x\r\n"
PATIENCE = 10.0


class Slow:
    """An application whose answers wait until they are let go."""

    def __init__(self) -> None:
        self.asked = asyncio.Event()
        self.go = asyncio.Event()
        self.was_cancelled = False
        self.requests: list[Request] = []

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self.requests.append(Request(scope))
        self.asked.set()
        try:
            await self.go.wait()
        except asyncio.CancelledError:
            self.was_cancelled = True
            raise
        await PlainTextResponse("done")(scope, receive, send)


async def quick(scope: Scope, receive: Receive, send: Send) -> None:
    await PlainTextResponse(str(scope["client"][0]))(scope, receive, send)


class Client:
    """One connection, byte by byte."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader, self._writer = reader, writer

    async def send(self, data: bytes) -> None:
        self._writer.write(data)
        await self._writer.drain()

    async def to_the_end(self) -> bytes:
        """Everything until the server closes."""
        async with asyncio.timeout(PATIENCE):
            try:
                return await self._reader.read(-1)
            except ConnectionError:
                return b""

    async def answer(self) -> bytes:
        """One answer with a Content-Length."""
        async with asyncio.timeout(PATIENCE):
            head = await self._reader.readuntil(b"\r\n\r\n")
            length = int(head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0])
            return head + await self._reader.readexactly(length)

    async def close(self) -> None:
        self._writer.close()
        try:
            await self._writer.wait_closed()
        except ConnectionError:
            return


class Served:
    """A server in this event loop."""

    def __init__(self, running: HttpServer, listening: socket.socket, task: asyncio.Task[None]) -> None:
        self.server, self.task = running, task
        self.address = listening.getsockname()[:2]
        self._clients: list[Client] = []

    async def client(self) -> Client:
        self._clients.append(Client(*await asyncio.open_connection(*self.address)))
        return self._clients[-1]

    async def end(self) -> None:
        async with asyncio.timeout(PATIENCE):
            await self.task

    async def close(self) -> None:
        self.server.force()
        await self.end()
        for client in self._clients:
            await client.close()


Begin = Callable[..., Awaitable[Served]]


@pytest.fixture
async def begin() -> AsyncGenerator[Begin]:
    """Starts a server, which is stopped at the end of the test."""
    begun: list[Served] = []

    async def start(application: Any, **settings: Any) -> Served:
        options = {name: settings.pop(name) for name in ("when_stopping", "when_serving") if name in settings}
        values = Settings(port=0, **settings)
        listening = listen(values)
        running = HttpServer(application, values, **options)
        begun.append(Served(running, listening, asyncio.create_task(running.serve([listening]))))
        return begun[-1]

    yield start
    for served in begun:
        await served.close()


@asynccontextmanager
async def soon() -> AsyncGenerator[None]:
    async with asyncio.timeout(PATIENCE):
        yield


async def test_it_serves_until_it_is_stopped(begin: Begin) -> None:
    told: list[str] = []
    served = await begin(
        quick, when_serving=lambda: told.append("serving"), when_stopping=lambda: told.append("stopping")
    )
    client = await served.client()
    await client.send(GET + b"\r\n")
    assert (await client.answer()).endswith(b"\r\n\r\n127.0.0.1")
    assert told == ["serving"]
    served.server.stop()
    await served.end()
    assert told == ["serving", "stopping"]
    assert await client.to_the_end() == b""
    with pytest.raises(ConnectionRefusedError):
        await served.client()


async def test_requests_under_way_are_finished(begin: Begin) -> None:
    slow = Slow()
    served = await begin(slow)
    busy, idle = await served.client(), await served.client()
    await busy.send(GET + b"\r\n")
    await idle.send(GET)
    async with soon():
        await slow.asked.wait()
    served.server.stop()
    assert await idle.to_the_end() == b"", "its request was not complete, and is not waited for"
    assert not served.task.done()
    slow.go.set()
    answer = await busy.to_the_end()
    assert answer.startswith(b"HTTP/1.1 200 OK\r\n")
    assert b"connection: close" in answer
    assert answer.endswith(b"done")
    await served.end()


@pytest.mark.parametrize("force", [True, False])
async def test_they_are_not_waited_for_for_ever(begin: Begin, caplog: pytest.LogCaptureFixture, force: bool) -> None:
    """Nobody is told an error that may not be one: the client knows that it does not know."""
    slow = Slow()
    served = await begin(slow, shutdown_timeout=1_000 if force else 0.05)
    client = await served.client()
    await client.send(GET + b"\r\n")
    async with soon():
        await slow.asked.wait()
    served.server.stop()
    if force:
        served.server.force()
    await served.end()
    assert await client.to_the_end() == b""
    assert slow.was_cancelled
    assert [record.getMessage() for record in caplog.records if record.levelno >= logging.WARNING] == [
        "1 requests did not end in time. Their connections are closed without an answer."
    ]


async def test_a_head_without_end_is_refused(begin: Begin, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connection, "MAX_HEAD_BYTES", 3_000)
    served = await begin(quick)
    client = await served.client()
    await client.send(GET)
    answer = b""
    try:
        for _ in range(1_000):
            await client.send(b"X-More: " + b"x" * 1_000)
            await asyncio.sleep(0.001)
    except ConnectionError:
        pass
    answer = await client.to_the_end()
    assert not answer or (answer.startswith(b"HTTP/1.1 400 ") and b"head of the request is too large" in answer)
    assert await (await asked(served)).answer()


async def asked(served: Served) -> Client:
    client = await served.client()
    await client.send(GET + b"\r\n")
    return client


@pytest.mark.parametrize(
    ("sent", "told"),
    [
        (GET + b"".join(b"X-%d: y\r\n" % number for number in range(300)), "The head of the request is too large."),
        (b"NO HTTP AT ALL\r\n\r\n", "Invalid HTTP request received."),
    ],
)
async def test_what_is_no_request_is_told_as_a_problem(begin: Begin, sent: bytes, told: str) -> None:
    client = await (await begin(quick)).client()
    await client.send(sent)
    head, _, body = (await client.to_the_end()).partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 400 Bad Request\r\n")
    assert b"content-type: application/problem+json\r\n" in head
    assert head.endswith(b"connection: close")
    problem = json.loads(body)
    assert (problem["type"], problem["detail"]) == ("urn:everfold:problem:malformed-request", told)


@pytest.mark.parametrize("sent", [b"", GET, GET + b"\r\n", b"\r\n"])
async def test_a_silent_client_is_let_go(begin: Begin, monkeypatch: pytest.MonkeyPatch, sent: bytes) -> None:
    """Also one that has been answered before: then it is uvicorn's limit, unless a byte arrives."""
    monkeypatch.setattr(connection, "HEAD_SECONDS", 0.1)
    client = await (await begin(quick)).client()
    if sent.endswith(b"\r\n\r\n"):
        await client.send(sent)
        await client.answer()
        sent = b"\r\n"
    await client.send(sent)
    assert await client.to_the_end() == b""


async def test_the_rest_of_a_body_is_not_waited_for(begin: Begin, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connection, "HEAD_SECONDS", 0.1)
    client = await (await begin(quick)).client()
    await client.send(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\n{")
    assert b"200 OK" in await client.answer()
    assert await client.to_the_end() == b""


async def test_a_slow_answer_is_no_silence(begin: Begin, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connection, "HEAD_SECONDS", 0.01)
    slow = Slow()
    served = await begin(slow)
    client = await asked(served)
    async with soon():
        await slow.asked.wait()
    for _ in range(3):
        served.server.server_state.connections.copy().pop().close_if_silent(  # type: ignore[union-attr]
            asyncio.get_running_loop().time() + 1_000
        )
    slow.go.set()
    assert b"200 OK" in await client.answer()


async def test_more_clients_than_it_may_have_are_told_to_come_again(begin: Begin) -> None:
    served = await begin(quick, max_connections=2)
    first = await asked(served)
    assert b"200 OK" in await first.answer()
    second = await asked(served)
    assert b"503 Service Unavailable" in await second.answer()


@pytest.mark.parametrize(("trusted", "told"), [((), b"127.0.0.1"), (("127.0.0.1",), b"203.0.113.7")])
async def test_only_trusted_proxies_say_who_the_client_is(begin: Begin, trusted: tuple[str, ...], told: bytes) -> None:
    client = await (await begin(quick, trusted_proxies=trusted)).client()
    await client.send(GET + b"X-Forwarded-For: 203.0.113.7\r\n\r\n")
    assert (await client.answer()).endswith(b"\r\n\r\n" + told)


def test_an_address_that_is_taken() -> None:
    with listen(Settings(port=0)) as taken, pytest.raises(ConfigurationError, match=r"Choose another with --port"):
        listen(Settings(port=taken.getsockname()[1]))


def test_a_host_that_is_none() -> None:
    with pytest.raises(ConfigurationError, match=r"cannot listen on no\.such\.host\.invalid"):
        listen(Settings(host="no.such.host.invalid"))


@pytest.mark.parametrize(("host", "told"), [("127.0.0.1", "127.0.0.1"), ("0.0.0.0", "localhost"), ("::1", "[::1]")])  # noqa: S104
def test_its_url(host: str, told: str) -> None:
    try:
        listening = listen(Settings(host=host, port=0))
    except ConfigurationError:
        pytest.skip("this machine has no such address")
    with listening:
        assert url_of(listening) == f"http://{told}:{listening.getsockname()[1]}"


def test_it_takes_as_many_files_as_it_may_have() -> None:
    assert server._possible_connections() > 0  # pyright: ignore[reportPrivateUsage]
