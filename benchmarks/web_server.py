"""The two servers of ``web``, each a process on the first core: everfold's, and one that only decodes and encodes."""

from __future__ import annotations

import asyncio
import os
import socket
import sys
from pathlib import Path

import msgspec
import uvicorn
import uvloop
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import ASGIApp

from benchmarks.child import heard, say
from benchmarks.everfold_side import bank, open_accounts
from benchmarks.read_models import AccountRow, Accounts
from examples.accounts.domain import Deposit

ACCOUNTS = 100


class Wanted(msgspec.Struct):
    """The query."""

    account_id: str


def bare() -> ASGIApp:
    """Decodes what is sent, and encodes a reply."""
    decode = msgspec.json.Decoder(Deposit).decode

    async def command(request: Request) -> Response:
        decode(await request.body())
        return Response(msgspec.json.encode({"reply": None, "position": 5}), media_type="application/json")

    async def query(request: Request) -> Response:
        wanted = msgspec.convert(dict(request.query_params), Wanted, strict=False)
        return Response(msgspec.json.encode(AccountRow(wanted.account_id, "Ann", 5)), media_type="application/json")

    routes = [Route("/commands/deposit", command, methods=["POST"]), Route("/queries/get-account", query)]
    return Starlette(routes=routes)


async def serve_everfold(path: Path) -> None:
    """The service, as ``everfold run`` serves it; first it says its port, and a token."""
    from everfold.http import HttpApi
    from everfold.http.gate import GateKeeper
    from everfold.http.server import HttpServer, listen, settle_memory

    app = bank(path, Accounts)
    app.override(port=0)
    gate = GateKeeper(app)
    api = HttpApi(app, gate=gate)
    async with api.lifespan():
        await open_accounts(app, [f"a{number}" for number in range(ACCOUNTS)])
        token = await gate.authentication.tokens.create("benchmark", ["operator"])
        settings = app.settings().values
        listening = listen(settings)
        server = HttpServer(api, settings, when_stopping=api.end_live, when_serving=settle_memory)
        serving = asyncio.create_task(server.serve([listening]))
        say(f"{listening.getsockname()[1]} {token}")
        await heard()
        server.stop()
        await serving
        listening.close()


class BareServer(uvicorn.Server):
    """Says its port once it listens."""

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        say(f"{self.servers[0].sockets[0].getsockname()[1]}")


async def serve_bare() -> None:
    """The handler that does nothing."""
    server = BareServer(uvicorn.Config(bare(), port=0, access_log=False, log_level="warning", http="httptools"))
    serving = asyncio.create_task(server.serve())
    await heard()
    server.should_exit = True
    await serving


def main(side: str, path: Path) -> None:
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {0})
    uvloop.run(serve_bare() if side == "bare" else serve_everfold(path))


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]))
