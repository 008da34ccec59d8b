"""Which answers are quick enough to keep others waiting for them: learned from how long each has taken.

Used by ``glances``, whose answers keep the event loop waiting, and by ``shared_reads``. An answer may do more than its
SQL: rows are made, and users write Python.
"""

from __future__ import annotations

__all__ = ["Pace"]

MOMENT = 0.001
"""Seconds of computing that an event loop may be kept from everything else."""
TIMES = 500
"""How many answers go another way after one that took longer."""


class Pace:
    """Keeps, for each function that answers, whether it is worth trying."""

    def __init__(self, moment: float = MOMENT) -> None:
        """``moment``: seconds that an answer may take."""
        self._moment = moment
        self._slow: dict[object, int] = {}

    def is_quick(self, function: object) -> bool:
        """Whether it was when it was last tried; now and then slow ones are tried again."""
        if not self._slow:
            return True
        left = self._slow.get(function, 0)
        if left:
            self._slow[function] = left - 1
        return not left

    def took(self, function: object, seconds: float) -> None:
        """It was tried, and took so many seconds."""
        if seconds > self._moment:
            self._slow[function] = TIMES
