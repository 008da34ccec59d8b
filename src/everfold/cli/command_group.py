"""Groups of commands that are imported when used, suggest the right spelling, and end errors in one clear sentence."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from importlib import import_module
from typing import Any

import click

from everfold.cli.failures import exit_code_of
from everfold.cli.suggestions import did_you_mean

__all__ = ["Group", "LazyGroup"]


class Group(click.Group):
    """A group that suggests a command when a name is misspelt."""

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find the command that the first argument names."""
        name = args[0]
        if self.get_command(ctx, name) is None and not name.startswith("-"):
            known = self.list_commands(ctx)
            hint = did_you_mean(name, known) or f" There is {', '.join(known)}."
            ctx.fail(f"There is no command {name!r}.{hint}")
        return super().resolve_command(ctx, args)


class LazyGroup(Group):
    """The outermost group: ``homes`` tells for each command where it is, as ``module:attribute``."""

    def __init__(self, *args: Any, homes: Mapping[str, str], **options: Any) -> None:
        super().__init__(*args, **options)
        self._homes = homes

    def list_commands(self, ctx: click.Context) -> list[str]:
        """The names, in the order they were given."""
        return list(self._homes)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import the command."""
        home = self._homes.get(cmd_name)
        if home is None:
            return None
        module, _, attribute = home.partition(":")
        found: click.Command = getattr(import_module(module), attribute)
        return found

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command. A reader that went away is dealt with here, because click would call it a failure."""
        try:
            return super().invoke(ctx)
        except BrokenPipeError as error:
            return exit_code_of(error)

    def main(self, *args: Any, **options: Any) -> Any:
        """Run and exit. Every exception becomes an exit code here, and what the user should read."""
        try:
            returned: object = super().main(*args, **(options | {"standalone_mode": False}))
            sys.stdout.flush()
            code = returned if isinstance(returned, int) else 0
        except BaseException as error:
            code = exit_code_of(error)
        sys.exit(code)
