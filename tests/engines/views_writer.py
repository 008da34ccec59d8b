"""Writes rows to the views of a store until it is killed: ``python -m tests.engines.views_writer STORE``.

Each transaction stores ``ROWS`` rows with its number; a line is printed for each that was acknowledged.
"""

import asyncio
import itertools
import sys
from functools import partial
from typing import Any

from everfold.engines.sqlite.engine import SqliteEngine

__all__ = ["ROWS"]

ROWS = 10


def store(connection: Any, number: int) -> None:
    """One transaction."""
    for row in range(ROWS):
        connection.execute("INSERT INTO rows (number, row, fill) VALUES (?, ?, ?)", (number, row, "x" * 2_000))


async def main(path: str) -> None:
    """Write without end."""
    engine = SqliteEngine(path)
    await engine.open()
    await engine.views.write(lambda connection: connection.execute("CREATE TABLE rows (number, row, fill)"))
    for number in itertools.count():
        await engine.views.write(partial(store, number=number))
        print(number, flush=True)  # noqa: T201 (the test reads it)


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1]))
