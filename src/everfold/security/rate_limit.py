"""How many requests each caller may send: one token bucket each, in this process. Used by the gate."""

from __future__ import annotations

import time
from collections.abc import Callable

__all__ = ["RateLimit"]

BURST_SECONDS = 2.0
"""What was not used in so many seconds may be used at once."""
MOST_CALLERS = 10_000
"""Of so many callers it is remembered at most how much they have left."""


class RateLimit:
    """Token buckets by name. ``rate``: requests a second, on average."""

    def __init__(self, rate: float, *, now: Callable[[], float] = time.monotonic) -> None:
        self._rate = rate
        self._size = max(1.0, rate * BURST_SECONDS)
        self._now = now
        self._buckets: dict[str, tuple[float, float]] = {}
        """What was left, and when."""

    def take(self, caller: str) -> float:
        """Count one request: 0 when it may be taken now, else the seconds after which the next one may."""
        now = self._now()
        left = self._left(caller, now)
        if left < 1.0:
            return (1.0 - left) / self._rate
        if caller not in self._buckets and len(self._buckets) >= MOST_CALLERS:
            self._forget(now)
        self._buckets[caller] = (left - 1.0, now)
        return 0.0

    def wait(self, caller: str) -> float:
        """As ``take``, and counts nothing."""
        left = self._left(caller, self._now())
        return 0.0 if left >= 1.0 else (1.0 - left) / self._rate

    def _left(self, caller: str, now: float) -> float:
        found = self._buckets.get(caller)
        return self._size if found is None else min(self._size, found[0] + (now - found[1]) * self._rate)

    def _forget(self, now: float) -> None:
        """Drop the buckets that are full again; when none are, those that were not used for longest."""
        kept = {caller: bucket for caller, bucket in self._buckets.items() if self._left(caller, now) < self._size}
        if len(kept) >= MOST_CALLERS:
            newest = sorted(kept.items(), key=lambda entry: entry[1][1])[MOST_CALLERS // 2 :]
            kept = dict(newest)
        self._buckets = kept
