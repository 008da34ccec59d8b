"""Hot aggregates: states kept between commands, so that a busy aggregate is not folded anew each time.

A kept state may be stale: another process may have written. Appending validates it by the expected
version, and what rests on it without an append (a refusal, a reply) is checked against the log first.
"""

from __future__ import annotations

from collections import OrderedDict
from typing import Any

from everfold.store.turns import Turns

__all__ = ["Hot", "HotStates"]


LOOKS = 4


class Hot:
    """One kept state. Callers of one process take turns on it, from load to commit."""

    __slots__ = ("position", "snapshot_taken", "snapshot_version", "state", "turns", "version")

    def __init__(self) -> None:
        self.turns = Turns()
        self.clear()

    def clear(self) -> None:
        """Forget the state; the next caller loads it."""
        self.state: Any = None
        self.version = 0
        self.position = 0
        self.snapshot_version = 0
        self.snapshot_taken = 0


class HotStates:
    """The most recently used states by stream: at most ``size`` of them, besides those in use."""

    def __init__(self, size: int) -> None:
        self._size = size
        self._entries: OrderedDict[str, Hot] = OrderedDict()

    def entry(self, stream: str) -> Hot:
        """The entry of the stream, now the most recently used one."""
        entries = self._entries
        entry = entries.get(stream)
        if entry is not None:
            entries.move_to_end(stream)
            return entry
        entry = entries[stream] = Hot()
        if len(entries) > self._size:
            self._drop_oldest()
        return entry

    def _drop_oldest(self) -> None:
        # What is in use goes to the end instead: dropping it would cost conflicts. A few looks per new entry are
        # enough to come back to the size after a burst, and keep one entry from paying for all.
        for _ in range(min(LOOKS, len(self._entries) - 1)):
            stream, oldest = self._entries.popitem(last=False)
            if oldest.turns.is_taken:
                self._entries[stream] = oldest
            elif len(self._entries) <= self._size:
                return

    def __len__(self) -> int:
        return len(self._entries)
