"""Measures the sides of a work in turns (A B C A B C ...), so that the machine's noise meets all of them alike."""

from __future__ import annotations

import gc
import itertools
import time
from collections.abc import Awaitable, Callable, Generator, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import msgspec

__all__ = ["Bench", "Sample", "Samples", "Stopwatch", "in_turns"]

Sample = Callable[[], Awaitable[list[float]]]
"""Measures one side once: one figure, or many (latencies)."""
Samples = dict[str, list[float]]
"""The figures of each side, by its name."""


class Bench(msgspec.Struct, frozen=True):
    """Where and how much to measure."""

    folder: Path
    rounds: int
    is_quick: bool
    say: Callable[[str], None]
    numbers: Iterator[int] = msgspec.field(default_factory=itertools.count)

    def count(self, full: int, *, quick: int) -> int:
        """How many of something."""
        return quick if self.is_quick else full

    @contextmanager
    def new_file(self) -> Generator[Path]:
        """A path for a database that is deleted afterwards, with what SQLite and everfold put beside it."""
        path = self.folder / f"{next(self.numbers):04d}.db"
        try:
            yield path
        finally:
            for each in self.folder.glob(f"{path.stem}.*"):
                each.unlink()

    def remove_views(self, path: Path) -> None:
        """Delete the read models beside a log, so that they are built again."""
        for each in self.folder.glob(f"{path.stem}.views.*"):
            each.unlink()


class Stopwatch:
    """``with Stopwatch() as watch: ...``, then ``watch.seconds``."""

    def __enter__(self) -> Stopwatch:
        """Collect the garbage of others, then start."""
        gc.collect()
        self._started = time.perf_counter()
        return self

    def __exit__(self, *_: object) -> None:
        """Stop."""
        self.seconds = time.perf_counter() - self._started

    def rate(self, count: int) -> list[float]:
        """So many in the measured time, as figures per second."""
        return [count / self.seconds]


async def in_turns(work: str, sides: Mapping[str, Sample], bench: Bench) -> Samples:
    """Every side once to warm up (tiny counts are not worth it), then all of them in each round."""
    samples: Samples = {name: [] for name in sides}
    for number in range(1 if bench.is_quick else 0, bench.rounds + 1):
        for name, sample in sides.items():
            bench.say(f"{work}: {f'round {number} of {bench.rounds}' if number else 'warm-up'}, {name}")
            figures = await sample()
            if number:
                samples[name].extend(figures)
    return samples
