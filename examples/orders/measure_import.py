"""How fast a long import is, and how much memory it takes: ``python -m examples.orders.measure_import LINES``.

Writes a made-up file of so many lines, imports it into a new store until the read models show everything, rebuilds each
of them, and prints what that took as JSON. Everything is in a temporary folder.
"""

import asyncio
import json
import resource
import sys
import tempfile
import time
from pathlib import Path

from examples.orders.app import orders_app
from examples.orders.import_retail import catch_up, import_invoices
from examples.orders.made_up_invoices import write

KILOBYTE = 1 if sys.platform == "darwin" else 1_024
"""``ru_maxrss`` is in bytes on macOS, and in kilobytes elsewhere."""


async def measure(lines: int, folder: Path) -> dict[str, object]:
    write(folder / "invoices.csv", lines)
    took: dict[str, float] = {}
    async with orders_app(str(folder / "orders.db")) as app:
        began = time.perf_counter()
        report = await import_invoices(app, folder / "invoices.csv")
        took["imported"] = time.perf_counter() - began
        await catch_up(app)
        took["shown"] = time.perf_counter() - began
        for name in app.projections.names():
            began = time.perf_counter()
            await app.projections.rebuild(name)
            took[f"rebuilt {name}"] = time.perf_counter() - began
    return {
        "lines": report.rows,
        "events": report.events,
        "seconds": {what: round(seconds, 2) for what, seconds in took.items()},
        "lines_per_second": {what: round(report.rows / seconds) for what, seconds in took.items()},
        "peak_memory": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * KILOBYTE,
    }


if __name__ == "__main__":
    if len(sys.argv) != 2 or not sys.argv[1].isdecimal():
        sys.exit("usage: python -m examples.orders.measure_import LINES")
    with tempfile.TemporaryDirectory() as folder:
        print(json.dumps(asyncio.run(measure(int(sys.argv[1]), Path(folder)))))
