"""The process whose memory is measured: reads a whole log, then prints its peaks as JSON. Started by ``memory``."""

from __future__ import annotations

import asyncio
import re
import sys
from pathlib import Path

import msgspec

from benchmarks.everfold_side import bank

__all__ = ["Peaks"]


class Peaks(msgspec.Struct, frozen=True):
    """The highest memory in use (resident set), in megabytes."""

    events: int
    first_mb: float
    """When a tenth was read."""
    last_mb: float
    """When everything was read."""

    @property
    def growth_mb(self) -> float:
        """What reading on has cost."""
        return self.last_mb - self.first_mb


def peak_mb() -> float:
    """The peak so far. On Linux of this program alone: getrusage would count what the process was before exec."""
    status = Path("/proc/self/status")
    if status.exists() and (found := re.search(r"VmHWM:\s+(\d+) kB", status.read_text("ascii", "replace"))):
        return int(found[1]) / 1_024
    import resource

    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / (1_048_576 if sys.platform == "darwin" else 1_024)


async def read(path: Path) -> Peaks:
    """Read the log from beginning to end."""
    async with bank(path) as app:
        seen, first, tenth = 0, 0.0, await app.store.head() // 10
        async for _event, record in app.store.read():
            seen += 1
            if record.position == tenth:
                first = peak_mb()
    return Peaks(seen, first, peak_mb())


if __name__ == "__main__":
    print(msgspec.json.encode(asyncio.run(read(Path(sys.argv[1])))).decode())
