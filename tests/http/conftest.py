"""A running bank with an HTTP face: asked in this process (``client``), or over a socket (``served``)."""

import asyncio
import os
import socket
import threading
from collections.abc import AsyncGenerator, Generator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

from everfold.http.api import HttpApi
from everfold.http.gate import OPEN
from everfold.http.server import HttpServer
from tests.http.bank import bank


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty working directory and an environment without settings."""
    for name in os.environ:
        if name.startswith("EVERFOLD_"):
            monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
async def bank_api(folder: Path) -> AsyncGenerator[HttpApi]:
    """The API of the bank, open to everybody, running in this event loop. Its app: ``bank_api.app``."""
    api = HttpApi(bank(str(folder / "bank.db")), gate=OPEN)
    async with api.lifespan():
        yield api


@pytest.fixture
async def client(bank_api: HttpApi) -> AsyncGenerator[httpx.AsyncClient]:
    """Asks ``bank_api`` without a socket. Of an answer without end (SSE) nothing arrives: use ``served``."""
    transport = httpx.ASGITransport(bank_api, raise_app_exceptions=True)
    async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as client:
        yield client


@pytest.fixture
def served(folder: Path) -> Generator[str]:
    """The URL of a server of a bank of its own, open to everybody, in a thread."""
    with serving(HttpApi(bank(str(folder / "served.db")), gate=OPEN)) as url:
        yield url


@contextmanager
def serving(api: HttpApi) -> Generator[str]:
    """Serve an API on a free port, in a thread of its own, as long as the block runs; its URL."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        began, trouble = threading.Event(), list[BaseException]()
        server = HttpServer(api, api.app.settings().values, when_stopping=api.end_live, when_serving=began.set)

        async def serve() -> None:
            async with api.lifespan():
                await server.serve([listening])

        def run() -> None:
            try:
                asyncio.run(serve())
            except BaseException as error:
                trouble.append(error)
            finally:
                began.set()

        thread = threading.Thread(target=run, name="server")
        thread.start()
        try:
            assert began.wait(20)
            assert not trouble, trouble
            yield f"http://127.0.0.1:{listening.getsockname()[1]}"
        finally:
            server.stop()
            thread.join(20)
            assert not thread.is_alive(), "the server did not stop"
            assert not trouble, trouble
