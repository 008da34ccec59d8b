"""Running until somebody stops it: Ctrl-C and SIGTERM end the work in good order. Used by ``tail -f``."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Coroutine
from typing import Any

__all__ = ["until_interrupted"]

SIGNALS = (signal.SIGINT, signal.SIGTERM)


async def until_interrupted(work: Coroutine[Any, Any, None]) -> bool:
    """Run the work; whether a signal ended it. The work sees a cancellation and may tidy up."""
    task = asyncio.ensure_future(work)
    was_interrupted = False

    def interrupt() -> None:
        nonlocal was_interrupted
        was_interrupted = True
        task.cancel()

    loop = asyncio.get_running_loop()
    handled = [number for number in SIGNALS if _handle(loop, number, interrupt)]
    try:
        await task
    except asyncio.CancelledError:
        if not was_interrupted:
            raise
    finally:
        for number in handled:
            loop.remove_signal_handler(number)
    return was_interrupted


def _handle(loop: asyncio.AbstractEventLoop, number: signal.Signals, handler: Any) -> bool:
    try:
        loop.add_signal_handler(number, handler)
    except (NotImplementedError, RuntimeError, ValueError):
        return False  # Windows, or not the main thread: Ctrl-C raises KeyboardInterrupt there
    return True
