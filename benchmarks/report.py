"""Turns figures into tables: medians, ratios, and beside each ratio the target and whether it is met."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Mapping, Sequence

import msgspec

from benchmarks.turns import Samples

__all__ = ["Line", "Table", "Target", "at_least", "at_most", "compare", "percentile_99", "render"]


class Target(msgspec.Struct, frozen=True):
    """What to reach (DESIGN section 7): for the ratio, or for everfold's own figure."""

    limit: float
    is_ceiling: bool

    def is_met_by(self, value: float) -> bool:
        """Whether the value reaches it."""
        return value <= self.limit if self.is_ceiling else value >= self.limit

    def __str__(self) -> str:
        return f"{'<=' if self.is_ceiling else '>='} {self.limit:g}"


def at_least(limit: float) -> Target:
    """More is better."""
    return Target(limit, is_ceiling=False)


def at_most(limit: float) -> Target:
    """Less is better."""
    return Target(limit, is_ceiling=True)


class Line(msgspec.Struct, frozen=True, omit_defaults=True):
    """One side of a work."""

    side: str
    value: float
    samples: list[float]
    ratio: float | None = None
    """everfold's figure divided by this side's."""
    target: str | None = None
    is_met: bool | None = None


class Table(msgspec.Struct, frozen=True):
    """One work; the first line is everfold's."""

    work: str
    unit: str
    lines: list[Line]


def compare(
    work: str,
    unit: str,
    samples: Samples,
    *,
    targets: Mapping[str, Target],
    figure: Callable[[Sequence[float]], float] = statistics.median,
) -> Table:
    """The table of a work: the first side is everfold's, and the others are compared with it.

    A target under the first side's name is for its own figure, under another's for the ratio to it.
    """
    ours = figure(next(iter(samples.values())))
    lines: list[Line] = []
    for number, (side, values) in enumerate(samples.items()):
        value, target = figure(values), targets.get(side)
        ratio = ours / value if number else None
        is_met = target.is_met_by(ours if ratio is None else ratio) if target else None
        # Thousands of latencies would make the report unreadable: their figure says enough.
        kept = [*values] if len(values) <= 20 else []
        lines.append(Line(side, value, kept, ratio, str(target) if target else None, is_met))
    return Table(work, unit, lines)


def percentile_99(values: Sequence[float]) -> float:
    """What 99 of 100 values do not exceed."""
    return statistics.quantiles(values, n=100, method="inclusive")[98]


def render(table: Table) -> str:
    """The table as plain text."""
    rows = [f"{table.work} ({table.unit})"]
    for line in table.lines:
        ratio = "" if line.ratio is None else f"{line.ratio:.2f}x"
        verdict = "" if line.is_met is None else "met" if line.is_met else "MISSED"
        shown = f"  {line.side:<44}{_number(line.value):>12}{ratio:>10}  {line.target or '':<8}{verdict}"
        rows.append(shown.rstrip())
    return "\n".join(rows)


def _number(value: float) -> str:
    return f"{value:,.0f}" if abs(value) >= 1_000 else f"{value:,.1f}" if abs(value) >= 10 else f"{value:.3f}"
