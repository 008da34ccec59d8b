"""Ctrl-C, once, twice and at the wrong moment."""

import asyncio
import os
import signal
import sys

import pytest

from everfold.cli.stopping import Stopping

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="signals are sent")


async def interrupted() -> None:
    """Wait for it longer than it takes."""
    os.kill(os.getpid(), signal.SIGTERM)
    await asyncio.sleep(60)


async def test_while_it_starts_it_is_cancelled() -> None:
    with Stopping() as stopping:
        await interrupted()
        raise AssertionError
    assert stopping.was_asked
    await stopping.wait()


async def test_the_first_and_the_second_time() -> None:
    told: list[str] = []
    second = asyncio.Event()

    def force() -> None:
        told.append("force")
        second.set()

    with Stopping() as stopping, stopping.means(lambda: told.append("stop"), force):
        os.kill(os.getpid(), signal.SIGINT)
        await stopping.wait()
        os.kill(os.getpid(), signal.SIGINT)
        await second.wait()
        assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL, "the third is the last"
    assert told == ["stop", "force"]


async def test_what_others_cancel_stays_cancelled() -> None:
    with pytest.raises(asyncio.CancelledError), Stopping():
        raise asyncio.CancelledError
