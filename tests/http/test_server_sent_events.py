"""Server-sent events on the wire, and streams that end: by themselves, with their client, from outside, in trouble."""

import asyncio
import threading
from collections.abc import AsyncGenerator, Callable
from typing import Any

import pytest

from everfold.errors import StoreClosed, TooManyLiveClients
from everfold.http.server_sent_events import EventStream, LiveClients, Reset, frame, reset_frame

SCOPE = {"type": "http", "method": "GET"}


class Client:
    """An ASGI server's side, with a client behind it."""

    def __init__(self, *, takes: int = 1_000) -> None:
        """``takes``: so many messages, and no more."""
        self.sent: list[Any] = []
        self._most = takes
        self.gone = asyncio.Event()
        self.takes = asyncio.Event()
        self.takes.set()
        self.receives = asyncio.Event()

    async def receive(self) -> Any:
        await self.gone.wait()
        return {"type": "http.disconnect"}

    async def send(self, message: Any) -> None:
        await self.takes.wait()
        self.sent.append(message)
        if len(self.sent) == self._most:
            self.takes.clear()
        if message.get("body"):
            self.receives.set()

    @property
    def body(self) -> bytes:
        return b"".join(message.get("body", b"") for message in self.sent)

    @property
    def is_complete(self) -> bool:
        return self.sent[-1].get("more_body") is False


class Frames:
    """What is sent: as many numbers as are let go, then nothing for ever; notices its end."""

    def __init__(self, *bodies: bytes, then: Callable[[], None] | None = None) -> None:
        self.is_closed = False
        self._bodies = bodies
        self._then = then

    async def __call__(self) -> AsyncGenerator[bytes, None]:
        try:
            for body in self._bodies:
                yield body
            if self._then:
                self._then()
                return
            await asyncio.Event().wait()
        finally:
            self.is_closed = True


def clients(patience: float = 10.0, limit: int = 10) -> LiveClients:
    return LiveClients(limit=limit, patience=patience)


async def started(stream: EventStream, client: Client) -> asyncio.Task[None]:
    task = asyncio.create_task(stream(SCOPE, client.receive, client.send))
    await client.receives.wait()
    return task


@pytest.mark.parametrize(
    ("made", "expected"),
    [
        (frame("event", b'{"a":1}', 7), b'id: 7\nevent: event\ndata: {"a":1}\n\n'),
        (frame("answer", b"null"), b"event: answer\ndata: null\n\n"),
        (
            frame("event", '"\x85\u2028\u2029ü"'.encode(), 1),
            'id: 1\nevent: event\ndata: "\\u0085\\u2028\\u2029ü"\n\n'.encode(),
        ),
        (reset_frame(Reset("slow-client"), 3), b'id: 3\nevent: reset\ndata: {"reason":"slow-client"}\n\n'),
    ],
)
def test_the_form_of_an_event(made: bytes, expected: bytes) -> None:
    assert made == expected
    assert len(made.decode().split("\n\n")[0].splitlines()) == expected.count(b"\n") - 1


def test_an_error_ends_a_stream_with_its_code_and_no_secrets() -> None:
    assert b'"reason":"store-closed"' in reset_frame(StoreClosed("It is closed."))
    told = reset_frame(RuntimeError("password"))
    assert b'"reason":"internal-error"' in told
    assert b"password" not in told


async def test_it_ends_when_the_frames_end() -> None:
    client, known = Client(), clients()
    frames = Frames(b"1", b"2", then=lambda: None)
    await EventStream(frames(), known)(SCOPE, client.receive, client.send)
    headers = dict(client.sent[0]["headers"])
    assert headers[b"cache-control"] == b"no-store"
    assert headers[b"x-accel-buffering"] == b"no"
    assert b"content-length" not in headers
    assert (client.body, client.is_complete, len(known)) == (b"12", True, 0)


async def test_it_ends_when_the_client_goes() -> None:
    client, known, frames = Client(), clients(), Frames(b"1")
    task = await started(EventStream(frames(), known), client)
    assert len(known) == 1
    client.gone.set()
    await task
    assert (frames.is_closed, len(known), client.is_complete) == (True, 0, False)


async def test_all_are_ended_from_another_thread() -> None:
    known = clients()
    several = [Client() for _ in range(3)]
    frames = [Frames(b"1") for _ in several]
    tasks = [await started(EventStream(one(), known), client) for one, client in zip(frames, several, strict=True)]
    thread = threading.Thread(target=known.end_all)
    thread.start()
    await asyncio.gather(*tasks)
    thread.join()
    assert all(client.is_complete for client in several)
    assert all(one.is_closed for one in frames)
    assert len(known) == 0
    known.end_all()


async def test_it_is_cancelled_with_the_server() -> None:
    client, known, frames = Client(), clients(), Frames(b"1")
    task = await started(EventStream(frames(), known), client)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert (frames.is_closed, len(known)) == (True, 0)


async def test_a_client_that_is_slow_is_told() -> None:
    client, known = Client(), clients(patience=0.01)
    client.takes.clear()
    asyncio.get_running_loop().call_later(0.03, client.takes.set)
    await EventStream(Frames(b"1", b"2")(), known)(SCOPE, client.receive, client.send)
    assert client.body.endswith(b'data: {"reason":"slow-client","detail":"You receive too slowly. Connect again."}\n\n')
    assert b"2" not in client.body
    assert client.is_complete


async def test_a_client_that_receives_nothing_at_all_is_given_up() -> None:
    client, known, frames = Client(takes=2), clients(patience=0.01), Frames(b"1", b"2")
    await asyncio.wait_for(EventStream(frames(), known)(SCOPE, client.receive, client.send), 20)
    assert (client.body, frames.is_closed, len(known)) == (b"1", True, 0)


async def test_no_more_than_the_limit() -> None:
    client, known = Client(), clients(limit=1)
    known.check()
    task = await started(EventStream(Frames(b"1")(), known), client)
    with pytest.raises(TooManyLiveClients):
        known.check()
    client.gone.set()
    await task
    known.check()


async def test_asked_for_its_headers_it_sends_nothing_else() -> None:
    client, known, frames = Client(), clients(), Frames(b"1")
    await EventStream(frames(), known)({**SCOPE, "method": "HEAD"}, client.receive, client.send)
    assert (client.body, client.is_complete) == (b"", True)
