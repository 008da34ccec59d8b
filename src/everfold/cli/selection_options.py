"""The options that select records: ``--category``, ``--stream``, ``--type``, ``--tag``. Used by ``events``."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar

import click

if TYPE_CHECKING:
    from everfold.log.selection import Selection

__all__ = ["make_selection", "selection_options"]

F = TypeVar("F", bound=Callable[..., Any])
_OPTIONS = (
    click.option("--category", help="Only streams of this category, as in account."),
    click.option("--stream", help="Only this stream, as in account-a1."),
    click.option("--type", "types", multiple=True, help="Only events of this type; may be given again: any of them."),
    click.option("--tag", "tags", multiple=True, help="Only events with this tag; may be given again: all of them."),
)


def selection_options(command: F) -> F:
    """Add the options; the command gets ``category``, ``stream``, ``types`` and ``tags``."""
    for option in reversed(_OPTIONS):
        command = option(command)
    return command


def make_selection(
    *, category: str | None, stream: str | None, types: tuple[str, ...], tags: tuple[str, ...]
) -> Selection:
    """The selection; InvalidName when a name cannot be one."""
    from everfold.identifiers import check_category, check_stream
    from everfold.log.selection import Selection

    return Selection(
        category=check_category(category) if category else None,
        stream=check_stream(stream) if stream else None,
        types=types,
        tags=tags,
    )
