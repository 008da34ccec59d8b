"""A client of server-sent events, for tests: reads them one by one from a socket, each within a deadline."""

import asyncio
import json
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Any

import msgspec

PATIENCE = 20.0


class Received(msgspec.Struct, frozen=True):
    """One event."""

    event: str
    data: Any
    id: int | None


class EventSource:
    """What one client receives."""

    def __init__(self, reader: asyncio.StreamReader, status: int, headers: dict[str, str]) -> None:
        self.status = status
        self.headers = headers
        self._reader = reader
        self._held = b""
        self._is_over = False

    async def next(self) -> Received:
        """The next event, whatever it is; EOFError at the end."""
        async with asyncio.timeout(PATIENCE):
            while True:
                text, end, rest = self._held.partition(b"\n\n")
                if not end:
                    await self._receive()
                    continue
                self._held = rest
                lines = text.decode().splitlines()
                fields = {name: value for name, _, value in (line.partition(": ") for line in lines)}
                assert len(fields) == len(lines), text
                assert set(fields) <= {"id", "event", "data", "retry"}, text
                if "data" in fields:
                    id = int(fields["id"]) if "id" in fields else None
                    return Received(fields["event"], json.loads(fields["data"]), id)

    async def _receive(self) -> None:
        """One chunk of the body (RFC 9112, 7.1)."""
        if self._is_over:
            raise EOFError
        size = int(await self._reader.readline(), 16)
        self._held += await self._reader.readexactly(size)
        self._is_over = not size
        assert await self._reader.readexactly(2) == b"\r\n"

    async def until(self, event: str) -> list[Received]:
        """All up to the first of this kind, which is the last of the list."""
        found = [await self.next()]
        while found[-1].event != event:
            found.append(await self.next())
        return found

    async def rest(self) -> AsyncIterator[Received]:
        """All until the end."""
        while True:
            try:
                one = await self.next()
            except EOFError:
                return
            yield one


@asynccontextmanager
async def listening(url: str, **headers: str) -> AsyncGenerator[EventSource]:
    """Connect to a live route."""
    host, _, path = url.removeprefix("http://").partition("/")
    name, _, port = host.partition(":")
    reader, writer = await asyncio.open_connection(name, int(port))
    try:
        lines = [f"GET /{path} HTTP/1.1", f"Host: {host}", *[f"{key}: {value}" for key, value in headers.items()]]
        writer.write("\r\n".join([*lines, "", ""]).encode())
        async with asyncio.timeout(PATIENCE):
            head = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
        found = {name.lower(): value for name, _, value in (line.partition(": ") for line in head[1:] if line)}
        yield EventSource(reader, int(head[0].split()[1]), found)
    finally:
        writer.close()
        with suppress(OSError):
            await writer.wait_closed()
