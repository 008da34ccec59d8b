"""A progress bar with a rate and the time that is left, for long work. Used by import, export and restore."""

from __future__ import annotations

import sys
from collections.abc import Callable, Generator
from contextlib import contextmanager

from everfold.cli.output import is_quiet

__all__ = ["rate_bar", "rate_text"]

PRECISION = 10_000


@contextmanager
def rate_bar(label: str, what: str) -> Generator[Callable[[int, float | None], None]]:
    """A bar on standard error while the block runs, on terminals.

    Call what it gives with how many were done since the last call, and the share of all that is done (from 0 to 1).
    ``what``: rows, events.
    """
    if is_quiet() or not sys.stderr.isatty():
        yield lambda step, share: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.fields[count]:,} " + what + ", {task.fields[rate]:,.0f} a second"),
        TimeElapsedColumn(),
        TextColumn("left"),
        TimeRemainingColumn(),
    )
    count = 0
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task(label, total=None, count=0, rate=0.0)

        def advance(step: int, share: float | None) -> None:
            nonlocal count
            count += step
            elapsed = bar.tasks[0].elapsed or 0.0
            rate = count / elapsed if elapsed else 0.0
            if share is None:
                bar.update(task, count=count, rate=rate)
            else:
                bar.update(task, total=PRECISION, completed=int(share * PRECISION), count=count, rate=rate)

        yield advance


def rate_text(count: int, seconds: float, what: str) -> str:
    """``1,000 rows in 2.0 s (500 a second)``."""
    rate = f" ({count / seconds:,.0f} a second)" if seconds > 0 and count else ""
    return f"{count:,} {what} in {seconds:.1f} s{rate}"
