"""How long to wait before trying again: doubling, bounded, and drawn at random so that many do not come at once."""

from __future__ import annotations

import random
from collections.abc import Iterator

import msgspec

__all__ = ["OUTAGE", "POISON", "Backoff"]


class Backoff(msgspec.Struct, frozen=True, kw_only=True):
    """A policy. Full jitter: each pause is drawn between half of its bound and its bound, in seconds."""

    first: float
    longest: float
    attempts: int | None = None
    """How often to try in all; None: for ever."""

    def pauses(self, rng: random.Random) -> Iterator[float]:
        """The pause before each further attempt; it ends when the attempts are used up."""
        bound, made = self.first, 1
        while self.attempts is None or made < self.attempts:
            yield rng.uniform(bound / 2, bound)
            bound, made = min(bound * 2, self.longest), made + 1


POISON = Backoff(first=0.05, longest=1.0, attempts=4)
"""For an event that a handler fails on: it may be the event's fault, so not for long."""
OUTAGE = Backoff(first=0.05, longest=5.0)
"""For a database that cannot be reached, or is full: for as long as it takes."""
