"""The command tree: which commands there are and in which file each one lives. Used by ``main``."""

from __future__ import annotations

import click

from everfold.cli.command_group import LazyGroup
from everfold.cli.output import quiet_option

__all__ = ["program"]

EPILOG = """\
\b
The store:   --store, else EVERFOLD_STORE, else everfold.toml, else the app's own
The app:     --app MODULE:NAME, else EVERFOLD_APP, else app = "..." in everfold.toml
Exit codes:  0 fine, 1 failure, 2 wrong usage, 3 a check failed, 4 conflict
Other:       NO_COLOR switches colours off, EVERFOLD_TRACEBACK=1 shows where an error came from
"""


@click.group(
    cls=LazyGroup,
    homes={
        "demo": "everfold.cli.demo:demo",
        "new": "everfold.cli.new:new",
        "run": "everfold.cli.run:run",
        "describe": "everfold.cli.describe:describe",
        "state": "everfold.cli.state:state",
        "events": "everfold.cli.events:events",
        "streams": "everfold.cli.streams:streams",
        "query": "everfold.cli.query:query",
        "projections": "everfold.cli.projections:projections",
        "parked": "everfold.cli.parked:parked",
        "tokens": "everfold.cli.tokens:tokens",
        "import": "everfold.cli.import_command:import_history",
        "export": "everfold.cli.export:export",
        "restore": "everfold.cli.restore:restore",
        "compare": "everfold.cli.compare:compare",
        "doctor": "everfold.cli.doctor:doctor",
    },
    epilog=EPILOG,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110},
)
@click.version_option(package_name="everfold", message="everfold %(version)s")
@quiet_option
def program() -> None:
    """Event sourcing and CQRS in plain typed Python: look into stores, check them, run apps."""
