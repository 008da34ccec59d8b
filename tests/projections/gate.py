"""Holds back whoever brings a build forward, so that tests can look at what is there meanwhile."""

from __future__ import annotations

import asyncio
from collections.abc import Generator, Sequence
from contextlib import contextmanager

import pytest

from everfold.log.record import Record
from everfold.projections.build_consumer import BuildConsumer


class Gate:
    """``arrived``: somebody waits before it. ``open``: everybody may pass."""

    def __init__(self) -> None:
        self.arrived = asyncio.Event()
        self.open = asyncio.Event()

    async def arrival(self) -> None:
        async with asyncio.timeout(20):
            await self.arrived.wait()


@contextmanager
def gate(monkeypatch: pytest.MonkeyPatch, *, build: int = 2) -> Generator[Gate]:
    """Before every batch of this build."""
    found, consume = Gate(), BuildConsumer.consume

    async def wait(self: BuildConsumer, records: Sequence[Record], position: int) -> int:
        if self.writer.build == build:
            found.arrived.set()
            await found.open.wait()
        return await consume(self, records, position)

    with monkeypatch.context() as patch:
        patch.setattr(BuildConsumer, "consume", wait)
        yield found
