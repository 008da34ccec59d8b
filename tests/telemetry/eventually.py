"""Waits until something is so."""

import asyncio
from collections.abc import Callable

DEADLINE = 20.0


async def eventually(is_so: Callable[[], bool]) -> None:
    async with asyncio.timeout(DEADLINE):
        while not is_so():  # noqa: ASYNC110 (nobody tells)
            await asyncio.sleep(0.01)
