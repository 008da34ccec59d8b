"""What commands write: results on standard output, notes and progress on standard error. Used by every command."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, TypeVar

import click

__all__ = ["is_quiet", "json_option", "note", "printable", "progress", "quiet_option", "show", "show_json", "table"]

F = TypeVar("F", bound=Callable[..., Any])
QUIET = "everfold.quiet"
_CONTROL = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")


def _set_quiet(context: click.Context, parameter: click.Parameter, value: bool) -> None:
    if os.environ.get("NO_COLOR"):
        context.color = False
    if value:
        context.meta[QUIET] = True


def quiet_option(command: F) -> F:
    """``--quiet``: results only, no notes and no progress."""
    return click.option(
        "-q",
        "--quiet",
        is_flag=True,
        expose_value=False,
        is_eager=True,
        callback=_set_quiet,
        help="Say only what was asked for: no notes, no progress.",
    )(command)


def json_option(command: F) -> F:
    """``--json``: for programs."""
    return click.option("--json", "as_json", is_flag=True, help="Write JSON, for programs.")(command)


def is_quiet() -> bool:
    """Whether ``--quiet`` was given."""
    context = click.get_current_context(silent=True)
    return bool(context and context.meta.get(QUIET))


def show(text: str = "") -> None:
    """A line of the result, on standard output."""
    click.echo(text)


def show_json(value: object) -> None:
    """A JSON value on a line of its own, on standard output."""
    import msgspec

    click.echo(msgspec.json.encode(value))


def note(text: str) -> None:
    """A remark on standard error, unless quiet."""
    if not is_quiet():
        click.echo(text, err=True)


def printable(text: str) -> str:
    """The text without characters that could steer a terminal: stored data may come from anywhere."""
    return _CONTROL.sub(lambda found: f"\\x{ord(found[0]):02x}", text)


def table(heads: Sequence[str], rows: Sequence[Sequence[object]]) -> Iterator[str]:
    """Lines of aligned columns; numbers stand on the right."""
    cells = [[printable(str(cell)) for cell in row] for row in rows]
    widths = [max(len(line[column]) for line in ([*heads], *cells)) for column in range(len(heads))]
    right = [bool(rows) and isinstance(rows[0][column], int) for column in range(len(heads))]
    yield click.style(_aligned(list(heads), widths, right), bold=True)
    for line in cells:
        yield _aligned(line, widths, right)


def _aligned(cells: Sequence[str], widths: Sequence[int], right: Sequence[bool]) -> str:
    padded = (
        cell.rjust(width) if is_right else cell.ljust(width)
        for cell, width, is_right in zip(cells, widths, right, strict=True)
    )
    return "  ".join(padded).rstrip()


@contextmanager
def progress(label: str, total: int) -> Generator[Callable[[int], None]]:
    """A progress bar on standard error while the block runs, on terminals. Call what it gives with each step."""
    if is_quiet() or not sys.stderr.isatty():
        yield lambda step: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task(label, total=total)
        yield lambda step: bar.advance(task, step)
