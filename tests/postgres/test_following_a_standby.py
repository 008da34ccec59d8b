"""Who only looks may look at a standby, and hears of what is stored there too, where nobody can LISTEN."""

import asyncio

from everfold import App
from everfold.cli.demo_bank import Account, Deposit, OpenAccount
from everfold.engines.postgres.engine import PostgresEngine
from tests.postgres.server import PATIENCE, PostgresServer


async def test_a_standby_is_followed_and_goes_on_as_the_primary() -> None:
    with PostgresServer({"fsync": "off"}) as primary:
        async with App("bank", Account, store=primary.url(schema="bank")) as bank:
            await bank.execute(OpenAccount(account_id="a1", owner="Ann"))
            with PostgresServer.standby_of(primary, {"fsync": "off"}) as standby:
                engine = PostgresEngine(standby.url(schema="bank"))
                await engine.open()
                try:
                    following = asyncio.create_task(engine.wait(1, PATIENCE))
                    await bank.execute(Deposit(account_id="a1", amount=1))
                    assert await following == 2
                    await asyncio.to_thread(standby.promote)
                    following = asyncio.create_task(engine.wait(2, PATIENCE))
                    async with App("bank", Account, store=standby.url(schema="bank")) as successor:
                        await successor.execute(Deposit(account_id="a1", amount=1))
                        assert await following == 3
                finally:
                    await engine.close()
                    primary.configure(synchronous_standby_names="")
