"""Fills the shop with made-up data and serves it: ``python -m examples.shop [--port 8000] [--only-fill]``.

Then it is what ``everfold run examples.shop.app:app`` is: stop it with Ctrl-C.
"""

import argparse
import asyncio
import os
import subprocess
import sys

from everfold.http.server import free_port
from everfold.security.authentication import Authentication
from examples.shop.app import shop_app
from examples.shop.made_up_data import fill

HOST = "127.0.0.1"
A_DAY = 86_400.0


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m examples.shop", description="Serve the shop.")
    parser.add_argument("--store", default="shop.db", help="a file or a PostgreSQL URL [shop.db]")
    parser.add_argument("--port", type=int, default=8000, help="the port, or another if it is taken [8000]")
    parser.add_argument("--only-fill", action="store_true", help="do not serve")
    options = parser.parse_args()
    token = asyncio.run(prepare(options.store, needs_token=not options.only_fill))
    if options.only_fill:
        return 0
    port = free_port(HOST, options.port)
    say_what_to_try(f"http://{HOST}:{port}", token)
    return serve(options.store, port)


async def prepare(store: str, *, needs_token: bool) -> str:
    """Have data in the store, and a token with which programs may ask and command for a day."""
    async with shop_app(store) as app:
        new = await fill(app)
        print(f"The shop in {store}: {new:,} commands executed, the log is at position {await app.store.head():,}.")
        if not needs_token:
            return ""
        name = f"demo-{app.new_id()[-8:]}"
        return await Authentication(app).tokens.create(name, ["operator"], seconds=A_DAY, by="examples.shop")


def say_what_to_try(url: str, token: str) -> None:
    json = '-H "Content-Type: application/json" -d'
    print(f'\nAsk it, in another terminal\n  AUTH="Authorization: Bearer {token}"')
    for purpose, request in {
        "accounts: what Ann has, and some more of it": f'"{url}/queries/get-account?account_id=ann"',
        "a command": f'{json} \'{{"account_id": "ann", "amount": 500}}\' {url}/commands/deposit',
        "orders: the newest of a customer": f'"{url}/queries/get-orders-by-customer?customer_id=ann&limit=3"',
        "and as they were some time ago": f'-H "Everfold-As-Of: 400" "{url}/queries/search-orders?text=Ann&limit=3"',
        "products: as REST clients like it": f'"{url}/products?category=tea"',
        "a new one": f'{json} \'{{"name": "Lapsang", "category": "tea", "list_price": "9.90"}}\' {url}/products',
        "every event, as it happens": f"-N {url}/events/live",
        "what there is": f"{url}/openapi.json",
    }.items():
        print(f'  # {purpose}\n  curl -H "$AUTH" {request}')
    print(flush=True)


def serve(store: str, port: int) -> int:
    program = "from everfold.cli.main import main; main()"
    command = [sys.executable, "-c", program, "run", "examples.shop.app:app", "--host", HOST, "--port", str(port)]
    environment = {**os.environ, "EVERFOLD_STORE": store}
    if os.name == "posix":
        os.execve(sys.executable, command, environment)  # noqa: S606 (in our place: signals reach it)
    return subprocess.call(command, env=environment)  # noqa: S603


if __name__ == "__main__":
    sys.exit(main())
