"""One of several processes that serve an app together. Started by ``supervisor``, with which it ends.

It does what a service in a single process does. When to stop is its supervisor's decision: a Ctrl-C at the terminal,
which all processes hear, is not for it; when the supervisor is gone, however that came about, it stops as well.
"""

from __future__ import annotations

import signal
import socket
import sys
from multiprocessing.connection import Connection

from everfold.cli.failures import exit_code_of
from everfold.cli.serving import Plan, Started, find_planned, run_loop, serve
from everfold.cli.stopping import Stopping

__all__ = ["work"]


def work(plan: Plan, listening: socket.socket | None, supervisor: Connection) -> None:
    """The life of a worker; ends the process."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        run_loop(_work(plan, listening, supervisor))
        sys.stdout.flush()
        code = 0
    except BaseException as error:
        code = exit_code_of(error)
    sys.exit(code)


async def _work(plan: Plan, listening: socket.socket | None, supervisor: Connection) -> None:
    import asyncio

    service = find_planned(plan)
    with Stopping([signal.SIGTERM]) as stopping:
        loop = asyncio.get_running_loop()

        def orphaned() -> None:
            loop.remove_reader(supervisor.fileno())
            stopping.ask()

        def tell(started: Started) -> None:
            supervisor.send(started)

        loop.add_reader(supervisor.fileno(), orphaned)
        try:
            await serve(plan, service, listening, stopping, tell=tell)
        finally:
            loop.remove_reader(supervisor.fileno())
