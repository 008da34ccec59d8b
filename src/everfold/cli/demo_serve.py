"""``everfold demo --serve``: the demo's bank as a service, with what to ask it. Ends when it is stopped."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import click

from everfold.cli.output import is_quiet, show
from everfold.cli.run import run_here
from everfold.cli.serving import Plan, app_of, check_installed, find_planned

if TYPE_CHECKING:
    from everfold.app.application import App

__all__ = ["serve_demo"]

MODULE = "everfold.cli.demo_bank:app"
HOST, PORT = "127.0.0.1", 8_000
TOKEN_SECONDS = 86_400.0


def serve_demo(store: str, key: str, port: int | None) -> None:
    """Serve it. ``key``: of an account to ask for. ``port``: the usual one, or another if that is taken."""
    check_installed()
    from everfold.http.server import free_port

    settings = {"store": store, "host": HOST, "port": port or free_port(HOST, PORT if port is None else 0)}
    plan = Plan(application=MODULE, settings=settings, is_quiet=is_quiet(), shows_link=True)
    service = find_planned(plan)
    token = asyncio.run(_token(app_of(service)))
    _say_what_to_try(f"http://{HOST}:{settings['port']}", token, key)
    run_here(plan, service)


async def _token(app: App) -> str:
    """One for a day, with which commands can be sent."""
    from everfold.security.authentication import Authentication

    app = app.replace(role="server")
    async with app:
        name = f"demo-{app.new_id()[-8:]}"
        return await Authentication(app).tokens.create(name, ["operator"], seconds=TOKEN_SECONDS, by="everfold demo")


def _say_what_to_try(url: str, token: str, key: str) -> None:
    deposit = '-H "Content-Type: application/json" -d ' + f'\'{{"account_id": "{key}", "amount": 500}}\''
    tries = {
        "a read model": f'curl -H "$AUTH" "{url}/queries/get-account?account_id={key}"',
        "a command; with the key it can be sent twice": f'curl -H "$AUTH" -H "Idempotency-Key: mine-1" {deposit} '
        f"{url}/commands/deposit",
        "what happened to the account": f'curl -H "$AUTH" "{url}/streams/account-{key}/history?limit=3"',
        "every event, as it happens": f'curl -N -H "$AUTH" {url}/events/live',
        "what there is": f'curl -H "$AUTH" {url}/openapi.json',
    }
    show()
    show(click.style("Ask it, in another terminal", bold=True))
    show(f'  AUTH="Authorization: Bearer {token}"')
    for purpose, command in tries.items():
        show(f"  {click.style('# ' + purpose, dim=True)}")
        show(f"  {command}")
    show()
