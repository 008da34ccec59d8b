"""The two servers of ``web``, each a process on the first core: everfold's, and one that only decodes and encodes."""

from __future__ import annotations

import asyncio
import os
import sys
import threading
from pathlib import Path

import msgspec
import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import ASGIApp

from benchmarks.child import say
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


async def everfold(path: Path) -> tuple[ASGIApp, str]:
    """The service, and a token for it."""
    from everfold.http import HttpApi
    from everfold.http.gate import GateKeeper

    app = bank(path, Accounts)
    gate = GateKeeper(app)
    async with app:
        await open_accounts(app, [f"a{number}" for number in range(ACCOUNTS)])
        token = await gate.authentication.tokens.create("benchmark", ["operator"])
    return HttpApi(app, gate=gate), token


class Server(uvicorn.Server):
    """Says when it listens."""

    token = ""

    async def startup(self, *arguments: object, **options: object) -> None:
        await super().startup(*arguments, **options)  # type: ignore[arg-type]  # pyright: ignore
        port = self.servers[0].sockets[0].getsockname()[1]
        say(f"{port} {self.token}")


def main(side: str, path: Path) -> None:
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {0})
    api, token = (bare(), "") if side == "bare" else asyncio.run(everfold(path))
    config = uvicorn.Config(api, port=0, access_log=False, log_level="warning", loop="uvloop")
    server = Server(config)
    server.token = token
    threading.Thread(target=_until_told, args=(server,), daemon=True).start()
    server.run()


def _until_told(server: Server) -> None:
    sys.stdin.read()
    server.should_exit = True


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]))
