"""Which answers are quick enough to be made in the event loop's thread: learned from how long each has taken.

Used by ``answers``. An answer may do more than its SQL: rows are made, and users write Python.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

__all__ = ["Pace"]

MOMENT = 0.001
"""Seconds of computing that an event loop may be kept from everything else."""
TIMES = 500
"""How many answers go another way after one that took longer."""


class Pace:
    """Keeps, for each function that answers, whether it is worth trying."""

    def __init__(self) -> None:
        self._slow: dict[object, int] = {}

    def is_quick(self, function: Callable[..., Any]) -> bool:
        """Whether it was when it was last tried; now and then slow ones are tried again."""
        left = self._slow.get(function, 0)
        if left:
            self._slow[function] = left - 1
        return not left

    def begun(self) -> float:
        """A moment to give to ``ended``."""
        return time.thread_time()  # not the time on the wall: other programs' share says nothing about the answer

    def ended(self, function: Callable[..., Any], begun: float) -> None:
        """It was done."""
        if time.thread_time() - begun > MOMENT:
            self.failed(function)

    def failed(self, function: Callable[..., Any]) -> None:
        """It was given up."""
        self._slow[function] = TIMES
