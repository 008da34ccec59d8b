"""A process that pays into an account of a store: ``python -m tests.promises.payer STORE COUNT [KEY]``.

It prints the version each payment reached, once it is acknowledged. With a count of 0 it pays until it is killed.
"""

from __future__ import annotations

import asyncio
import itertools
import sys

from everfold import App
from tests.app.bank import Account, Pay


async def main(store: str, count: int, key: str | None) -> None:
    """Pay one by one."""
    async with App("bank", Account, store=store, retry_attempts=100) as app:
        for _ in range(count) if count else itertools.count():
            done = await app.execute(Pay(account="a1", amount=1), idempotency_key=key)
            print(int(done.version), flush=True)  # noqa: T201 (this is what the test reads)


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], int(sys.argv[2]), sys.argv[3] if len(sys.argv) > 3 else None))
