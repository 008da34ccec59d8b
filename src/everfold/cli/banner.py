"""What ``everfold run`` says when it has started: what runs where."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import click

from everfold.cli.read_side import counted
from everfold.cli.store_option import app_store, shown_store

if TYPE_CHECKING:
    from everfold.app.application import App

__all__ = ["head_line", "lines_about", "serves"]


def head_line(name: str, processes: Sequence[int]) -> str:
    """The first line."""
    ids = ", ".join(map(str, processes))
    return f"{click.style(name, bold=True)} is running ({'process' if len(processes) == 1 else 'processes'} {ids})"


def lines_about(app: App, position: int, *, url: str | None, link: str | None = None) -> list[str]:
    """The lines below it. ``url``: where it listens, if it does. ``link``: one that signs in, once."""
    settings = app.settings().values
    parts = app.parts
    accepts = f"{counted(len(app.commands()), 'command')} and {_queries(len(app.queries()))}"
    lines = [
        ("http", _http(url, settings.role)),
        ("store", f"{_store(app)}, at position {position}"),
        ("accepts", f"{accepts}{'' if serves(url, settings.role) else ', from this process only'}"),
        (
            "decided",
            f"by {len(parts.aggregates)} aggregates, {len(parts.models)} decision models, "
            f"{len(app.functions) - len(app.query_functions)} functions",
        ),
        ("keeps", _kept(app)),
    ]
    if app.consumer_functions:
        names = ", ".join(consumer.name for consumer in app.consumer_functions)
        lines.append(("tells", f"{counted(len(app.consumer_functions), 'consumer')}: {names}{_others(settings.role)}"))
    lines.append(("role", f"{settings.role}{ROLES[settings.role]}"))
    if link is not None:
        lines.append(("sign in", link))
    return [f"  {name:<9} {text}" for name, text in lines]


ROLES = {
    "all": ": serves requests, and runs projections and consumers",
    "server": ": serves requests; workers run projections and consumers",
    "worker": ": runs projections and consumers; servers serve requests",
}


def serves(url: str | None, role: str) -> bool:
    """Whether it answers more than how it is."""
    return url is not None and role != "worker"


def _http(url: str | None, role: str) -> str:
    if url is None:
        return "none (--no-http)"
    return url if serves(url, role) else f"{url}, for /livez, /readyz, /version and /metrics only"


def _queries(count: int) -> str:
    return f"{count:,} {'query' if count == 1 else 'queries'}"


def _store(app: App) -> str:
    path = getattr(app.store.engine, "path", None)  # of a file: where the app has found it
    if isinstance(path, str):
        return path
    return shown_store(app_store(app)) if app.engine is None else type(app.engine).__name__


def _kept(app: App) -> str:
    names = [f"{part.__everfold__.name} ({part.__everfold__.mode})" for part in app.parts.projections]
    if not names:
        return "no projections"
    return f"{counted(len(names), 'projection')}: {', '.join(names)}{_others(app.settings().values.role)}"


def _others(role: str) -> str:
    return ", which others keep up to date (role = server)" if role == "server" else ""
