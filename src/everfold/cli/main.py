"""The entry point of the ``everfold`` program. Knows only that its libraries may be missing."""

from __future__ import annotations

import sys
from importlib.util import find_spec

from everfold.errors import MissingExtra

__all__ = ["main"]


def main() -> None:
    """Run the command line; ends the process with an exit code."""
    if not all(map(find_spec, ("click", "rich"))):
        error = MissingExtra("The command line", "cli")
        print(f"error: {error} [{error.code}]", file=sys.stderr)  # noqa: T201 (click may be what is missing)
        sys.exit(1)
    from everfold.cli.program import program

    program(prog_name="everfold")
