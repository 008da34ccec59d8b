"""``app.follow``: the events of the log, those that were there and those that come, as one sequence."""

from __future__ import annotations

import asyncio

from everfold import App, Selection
from tests.app.bank import Account, Open, Opened, Paid, Pay
from tests.app.stores import StoreMaker


async def test_it_goes_from_the_past_into_the_present_without_a_seam(store: StoreMaker) -> None:
    seen: list[int] = []
    async with App("bank", Account, store=store()) as app:
        await app.execute(Open(account="a1"))
        await app.execute(Pay(account="a1", amount=1))

        async def listen() -> None:
            async for event, record in app.follow():
                assert isinstance(event, Opened | Paid)
                seen.append(record.position)
                if len(seen) == 50:
                    return

        listening = asyncio.create_task(listen())
        for amount in range(1, 49):
            await app.execute(Pay(account="a1", amount=amount))
        async with asyncio.timeout(30):
            await listening
    assert seen == list(range(1, 51))


async def test_it_selects_and_begins_after_a_position(store: StoreMaker) -> None:
    async with App("bank", Account, store=store()) as app:
        for key in ("a1", "a2", "a3"):
            await app.execute(Open(account=key))
            await app.execute(Pay(account=key, amount=1))
        following = app.follow(Selection(types=("opened",)), after=1)
        async with asyncio.timeout(30):
            found = [(await anext(following))[1].position, (await anext(following))[1].position]
        await following.aclose()
    assert found == [3, 5]
