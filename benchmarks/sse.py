"""Work: 200 clients follow the log live (SSE) while 200 events a second are recorded over HTTP, for half a minute.

The server is a process of its own; this one is all of its clients. Every client has to receive every event once, in
order: the work fails otherwise. Measured are the time from the reply to a command until a client has its event, and
how much the memory of the server grows in the second half. Then 1,000 clients listen to nothing at all.
"""

from __future__ import annotations

import asyncio
import os
import re
import sys
import time
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, suppress
from pathlib import Path
from typing import TypeVar

import msgspec
import uvloop

from benchmarks.child import Child, child, heard, say
from benchmarks.everfold_side import bank
from benchmarks.report import Table, at_most, compare, percentile_99
from benchmarks.turns import Bench

__all__ = ["measure"]

CLIENTS, EVENTS_EACH_SECOND, SECONDS = 200, 200, 30
WRITERS = 8
IDLE = 1_000
GROWTH_MB = 5
PATIENCE = 30.0
EVENT = re.compile(rb"id: (\d+)\nevent: event\n")
MB = 1024 * 1024
P = TypeVar("P", "Client", "Writer")


class Client(asyncio.Protocol):
    """Follows the log; checks that nothing is missing."""

    def __init__(self, first: int, sent: dict[int, float], lags: list[float]) -> None:
        self.position = first
        self.status = b""
        self._sent, self._lags = sent, lags
        self._held = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport
        transport.write(b"GET /events/live HTTP/1.1\r\nHost: localhost\r\n\r\n")

    def data_received(self, data: bytes) -> None:
        now = time.perf_counter()
        self.status = self.status or data[9:12]
        self._held += data
        end = self._held.rfind(b"\n\n") + 2
        whole, self._held = self._held[:end], self._held[end:]
        for found in EVENT.finditer(whole):
            position = int(found[1])
            assert position == self.position + 1, f"received {position} after {self.position}"
            self.position = position
        if self.position in self._sent:
            self._lags.append((now - self._sent[self.position]) * 1_000)


class Writer(asyncio.Protocol):
    """Sends commands, one behind the other."""

    def __init__(self) -> None:
        self.done = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport

    def send(self, command: str, body: bytes) -> None:
        head = f"POST /commands/{command} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
        self.transport.write(f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body)

    def data_received(self, data: bytes) -> None:
        self.done += data.count(b"HTTP/1.1 200")


async def measure(bench: Bench) -> AsyncIterator[Table]:
    """One round is enough: every event is a sample, for every client."""
    clients, seconds = bench.count(CLIENTS, quick=5), bench.count(SECONDS, quick=1)
    work = f"{clients} live clients, {EVENTS_EACH_SECOND} events/s for {seconds} s"
    with bench.new_file() as path:
        async with child("sse", str(path)) as server:
            url = await server.line()
            bench.say(work)
            lags, growth = await _follow(server, url, clients, seconds * EVENTS_EACH_SECOND)
            served, refused = await _idle(url, bench.count(IDLE, quick=5))
    yield compare(f"{work}: lag, median", "ms", {"everfold": lags}, targets={})
    yield compare(f"{work}: lag, 99th percentile", "ms", {"everfold": lags}, targets={}, figure=percentile_99)
    yield compare(
        f"{work}: growth of the server", "MB", {"everfold": [growth]}, targets={"everfold": at_most(GROWTH_MB)}
    )
    yield compare(f"{served + refused:,} clients that listen to nothing", "served", {"everfold": [served]}, targets={})


async def _follow(server: Child, url: str, count: int, events: int) -> tuple[list[float], float]:
    sent: dict[int, float] = {}
    lags: list[float] = []
    async with AsyncExitStack() as stack:
        writers = [await _connect(url, Writer(), stack) for _ in range(WRITERS)]
        writers[0].send("open-account", b'{"account_id": "a1", "owner": "Ann"}')
        await _until(lambda: writers[0].done == 1)
        clients = [await _connect(url, Client(1, sent, lags), stack) for _ in range(count)]
        await _until(lambda: all(client.status for client in clients))
        early, began = 0.0, time.perf_counter()
        for number in range(events):
            await asyncio.sleep(began + number / EVENTS_EACH_SECOND - time.perf_counter())
            sent[number + 2] = time.perf_counter()
            writers[number % WRITERS].send("deposit", b'{"account_id": "a1", "amount": 1}')
            if number == events // 2:
                early = await _memory(server)
        await _until(lambda: all(client.position == events + 1 for client in clients))
        return lags, await _memory(server) - early


async def _idle(url: str, count: int) -> tuple[int, int]:
    async with AsyncExitStack() as stack:
        clients = [await _connect(url, Client(0, {}, []), stack) for _ in range(count)]
        await _until(lambda: all(client.status for client in clients))
        statuses = [client.status for client in clients]
        assert set(statuses) <= {b"200", b"503"}, set(statuses)
        return statuses.count(b"200"), statuses.count(b"503")


async def _connect(url: str, client: P, stack: AsyncExitStack) -> P:
    host, _, port = url.removeprefix("http://").partition(":")
    await asyncio.get_running_loop().create_connection(lambda: client, host, int(port))
    stack.callback(client.transport.abort)
    return client


async def _until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(PATIENCE):
        while not condition():  # noqa: ASYNC110 (it is about sockets, which tell nobody)
            await asyncio.sleep(0.01)


async def _memory(server: Child) -> float:
    server.tell("memory")
    return float(await server.line())


async def _serve(path: Path) -> None:
    """The server: tells where it is, then how much memory it needs, whenever it is asked."""
    from everfold.http.api import HttpApi
    from everfold.http.gate import OPEN
    from everfold.http.server import HttpServer, listen, url_of

    app = bank(path)
    settings = msgspec.structs.replace(app.settings().values, port=0)
    api, listening = HttpApi(app, gate=OPEN), listen(settings)
    server = HttpServer(api, settings, when_stopping=api.end_live)
    async with api.lifespan():
        serving = asyncio.create_task(server.serve([listening]))
        say("ready")
        say(url_of(listening))
        with suppress(asyncio.CancelledError):
            while await heard():
                say(f"{_resident():.2f}")
        server.stop()
        await serving


def _resident() -> float:
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGESIZE") / MB


if __name__ == "__main__":
    uvloop.run(_serve(Path(sys.argv[1])))
