"""Notices that uvicorn is stopping, when users run it themselves (``uvicorn shop.web:api``).

uvicorn tells an application that it stops after every answer has ended, which live ones never do. So we look whether
the server that takes this process's signals has been told to exit. ``everfold run`` needs none of it. Used by ``api``.
"""

from __future__ import annotations

import asyncio
import signal
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from typing import Any

__all__ = ["when_uvicorn_stops"]

LOOK_SECONDS = 0.1


@asynccontextmanager
async def when_uvicorn_stops(then: Callable[[], None]) -> AsyncGenerator[None]:
    """Call this once the server of this process begins to stop. Where there is no uvicorn, nothing is done."""
    server = _server()
    if server is None:
        yield
        return
    watching = asyncio.create_task(_watch(server, then), name="everfold-uvicorn-stop")
    try:
        yield
    finally:
        watching.cancel()
        await asyncio.gather(watching, return_exceptions=True)


def _server() -> Any:
    server = getattr(signal.getsignal(signal.SIGTERM), "__self__", None)
    return server if isinstance(getattr(server, "should_exit", None), bool) else None


async def _watch(server: Any, then: Callable[[], None]) -> None:
    while not server.should_exit:  # noqa: ASYNC110 (it is a flag, and tells nobody)
        await asyncio.sleep(LOOK_SECONDS)
    then()
