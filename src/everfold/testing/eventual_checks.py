"""Waits until something holds that follows from what was done, without sleeping blindly. For tests of whole apps."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar, overload

from everfold.app.application import App
from everfold.errors import EverfoldError
from everfold.projections.freshness import Freshness

__all__ = ["eventually"]

T = TypeVar("T")
FIRST_PAUSE, LONGEST_PAUSE = 0.001, 0.05
"""Seconds between looks when nothing tells that something has happened: without an app, or in another process."""
LAST_LOOK = 0.5
"""Seconds that a look may take when the time is up, so that it tells what it found and not that it was broken off."""


@overload
async def eventually(check: Callable[[], Awaitable[T]], *, app: App | None = None, timeout: float = 5.0) -> T: ...
@overload
async def eventually(check: Callable[[], T], *, app: App | None = None, timeout: float = 5.0) -> T: ...
async def eventually(check: Callable[[], Any], *, app: App | None = None, timeout: float = 5.0) -> Any:
    """Call ``check`` until it holds, and return what it returned::

        async def is_shown() -> None:
            assert (await app.ask(GetAccount(account_id="a1"))).balance == 70

        await eventually(is_shown, app=app)

    It holds when it neither raises an AssertionError or EverfoldError nor returns False; any other error ends the test
    at once. With an ``app`` it is called again as soon as something is recorded or a projection has moved. After
    ``timeout`` seconds of real time: an AssertionError that tells the last failure, even if the check still waits.

    A test that knows which write it waits for needs none of this: ``app.ask(query, after=done)`` waits for it.
    """
    __tracebackhide__ = True
    loop = asyncio.get_running_loop()
    deadline, pause, attempts = loop.time() + timeout, FIRST_PAUSE, 0
    failure: BaseException | None = None
    while True:
        attempts += 1
        before = await _progress(app)
        limit = asyncio.timeout_at(max(deadline, loop.time() + LAST_LOOK))
        try:
            async with limit:
                found = check()
                if inspect.isawaitable(found):
                    found = await found
            if found is not False:
                return found
            failure, why = None, "it returned False"
        except (AssertionError, EverfoldError) as error:
            failure, why = error, _reason(error)
        except TimeoutError:
            if not limit.expired():  # an error of the check
                raise
            why = "it was still waiting" + (f"; before that {_reason(failure)}" if failure else "")
        left = deadline - loop.time()
        if left <= 0:
            tries = f"attempt {attempts}, the last one," if attempts > 1 else "the only attempt"
            raise AssertionError(f"It did not hold within {timeout:g} s. At {tries} {why}") from failure
        if app is None:
            await asyncio.sleep(min(pause, left))
            pause = min(pause * 2, LONGEST_PAUSE)
        else:
            await _news(app, before, min(LONGEST_PAUSE, left))


def _reason(failure: BaseException) -> str:
    return f"{type(failure).__qualname__}: {failure}"


Progress = tuple[int, list[tuple[int, int]]]
"""The head of the log, and how far each projection is."""


async def _progress(app: App | None) -> Progress:
    return (await app.store.engine.wait(-1), _moved(app)) if app else (0, [])


def _moved(app: App) -> list[tuple[int, int]]:
    return [(each.position, each.changed) for each in _freshness(app)]


def _freshness(app: App) -> list[Freshness]:
    """What tells that a projection has moved in this process."""
    views = app.projections._views  # pyright: ignore[reportPrivateUsage] (nothing public tells when they move)
    return [view.freshness for view in views.values()]


async def _news(app: App, before: Progress, seconds: float) -> None:
    """Wait until more is recorded, or a projection moves, for so many seconds at most."""
    head, moved = before
    if _moved(app) != moved:  # while it was checked
        return
    waits: list[asyncio.Task[Any]] = [asyncio.create_task(app.store.engine.wait(head, seconds))]
    waits += [asyncio.create_task(each.change(seconds)) for each in _freshness(app)]
    try:
        await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for wait in waits:
            wait.cancel()
        await asyncio.gather(*waits, return_exceptions=True)
