"""Work: commands and queries over HTTP, beside a bare Starlette handler that does nothing with a decoded message.

The server is one process on one core; `wrk` (a Debian package of that name) loads it from another. Everfold's side is
the whole service: a bearer token is checked, every command is durable when it is answered, and the read model that
answers the queries is kept up to date by the same process.
"""

from __future__ import annotations

import asyncio
import re
import shutil
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from functools import partial
from pathlib import Path

from benchmarks.child import child
from benchmarks.payload import AMOUNT
from benchmarks.report import Table, at_least, compare
from benchmarks.turns import Bench, Sample, in_turns
from benchmarks.web_server import ACCOUNTS

__all__ = ["measure"]

CONNECTIONS = (32, 256)
SIDES = ("everfold", "bare")
COMMANDS, QUERIES = 0.5, 0.7
SCRIPT = """
wrk.method = "POST"
wrk.headers["Content-Type"] = "application/json"
local n = 0
request = function()
  n = n + 1
  return wrk.format(nil, nil, nil, '{"account_id":"a' .. (n * 7 % %d) .. '","amount":%d}')
end
"""
Load = Callable[[str], Awaitable[tuple[float, float]]]
UNITS = {"us": 0.001, "ms": 1.0, "s": 1_000.0}


async def measure(bench: Bench) -> AsyncIterator[Table]:
    """Requests per second and the 99th percentile of their latency, for both kinds of message."""
    if shutil.which("wrk") is None:
        print("web is left out: it needs wrk (apt install wrk).", file=sys.stderr)
        return
    seconds = bench.count(5, quick=1)
    with bench.new_file() as path:
        script = path.with_suffix(".lua")
        script.write_text(SCRIPT.replace("%d", str(ACCOUNTS), 1).replace("%d", str(AMOUNT), 1), encoding="ascii")
        async with child("web_server", "everfold", str(path)) as ours, child("web_server", "bare", str(path)) as bare:
            port, _, token = ours.first.partition(" ")
            ports = {"everfold": port, "bare": bare.first.strip()}
            for connections in CONNECTIONS:
                for what, target in (("commands", COMMANDS), ("queries", QUERIES)):
                    load = partial(_load, what, connections, seconds, token, script, ports)
                    async for table in _compared(bench, f"{what} over HTTP, {connections} connections", target, load):
                        yield table
        script.unlink()


async def _compared(bench: Bench, title: str, target: float, load: Load) -> AsyncIterator[Table]:
    slowest: dict[str, list[float]] = {side: [] for side in SIDES}

    async def once(side: str) -> list[float]:
        rate, late = await load(side)
        slowest[side].append(late)
        return [rate]

    sides: dict[str, Sample] = {side: partial(once, side) for side in SIDES}
    samples = await in_turns(title, sides, bench)
    yield compare(title, "requests/s", samples, targets={"bare": at_least(target)})
    yield compare(
        f"{title}, 99th percentile", "ms", {side: found[-bench.rounds :] for side, found in slowest.items()}, targets={}
    )


async def _load(
    what: str, connections: int, seconds: int, token: str, script: Path, ports: Mapping[str, str], side: str
) -> tuple[float, float]:
    """Requests per second, and the 99th percentile in milliseconds."""
    url = f"http://127.0.0.1:{ports[side]}"
    path = ["-s", str(script), f"{url}/commands/deposit"]
    if what == "queries":
        path = [f"{url}/queries/get-account?account_id=a1"]
    options = ["-t1", f"-c{connections}", f"-d{seconds}s", "--latency", "-H", f"Authorization: Bearer {token}"]
    pinned = ["taskset", "-c", "1"] if shutil.which("taskset") else []
    process = await asyncio.create_subprocess_exec(
        *pinned, "wrk", *options, *path, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT
    )
    said = (await process.communicate())[0].decode()
    rate, late = re.search(r"Requests/sec:\s+([\d.]+)", said), re.search(r"99%\s+([\d.]+)(us|ms|s)", said)
    if rate is None or late is None or "Non-2xx" in said or "Socket errors" in said:
        raise SystemExit(f"wrk failed on {side}:\n{said}")
    return float(rate[1]), float(late[1]) * UNITS[late[2]]
