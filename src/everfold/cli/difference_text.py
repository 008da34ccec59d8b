"""How the rows of tables differ, for people: counts, and the first rows. Used by ``rebuild`` and ``compare``."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

import click
import msgspec

from everfold.cli.differences import changes, json_text
from everfold.cli.output import printable, table

if TYPE_CHECKING:
    from everfold.log.table_difference import Difference, RowChange

__all__ = ["difference_lines"]

COLOURS = {"+": "green", "-": "red", "~": "yellow"}


def difference_lines(found: Sequence[Difference], heads: tuple[str, str, str, str]) -> Iterator[str]:
    """``heads``: what to call the rows that are the same, only in the second, only in the first, and different."""
    rows = [(each.table, each.same, each.added, each.removed, each.changed) for each in found]
    for line in table(("table", *heads), rows):
        yield f"  {line}"
    for each in found:
        yield from _examples(each)


def _examples(found: Difference) -> Iterator[str]:
    if not found.examples:
        return
    yield ""
    for change in found.examples:
        sign, text = _change(change)
        yield f"  {click.style(sign, fg=COLOURS[sign])} {printable(text)}"
    more = found.added + found.removed + found.changed - len(found.examples)
    if more:
        yield f"  and {more:,} more of {found.table}"


def _change(change: RowChange) -> tuple[str, str]:
    key = ", ".join(str(part) for part in change.key)
    name = f"{change.table} {key}"
    if change.before is None:
        return "+", f"{name}  {_text(change.after)}"
    if change.after is None:
        return "-", f"{name}  {_text(change.before)}"
    before, after = ({name: row[name] for name in change.fields} for row in (change.before, change.after))
    parts = changes(_plain(before), _plain(after))
    return "~", f"{name}  {'; '.join(line[2:] for part in parts for line in part.lines())}"


def _text(row: dict[str, Any] | None) -> str:
    return json_text(_plain(row))


def _plain(row: Iterable[Any] | None) -> Any:
    return msgspec.to_builtins(row, enc_hook=str)
