"""A consumer that does what another does, with something around each batch. Used by metrics and spans."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence

from everfold.log.record import Record
from everfold.log.selection import Selection
from everfold.subscriptions.subscription import Consumer, Poison

__all__ = ["Consume", "WatchedConsumer"]

Consume = Callable[[Sequence[Record], int], Awaitable[int]]


class WatchedConsumer:
    """``around``: makes of the consumer's ``consume`` one that is watched."""

    def __init__(self, consumer: Consumer, around: Callable[[Consume], Consume]) -> None:
        self._consumer = consumer
        self._consume = around(consumer.consume)

    @property
    def name(self) -> str:
        """As the other."""
        return self._consumer.name

    @property
    def selection(self) -> Selection:
        """As the other."""
        return self._consumer.selection

    def ends_in_merge(self, record: Record) -> bool:
        """As the other."""
        return self._consumer.ends_in_merge(record)

    async def prepare(self) -> None:
        """As the other."""
        await self._consumer.prepare()

    async def resume(self, token: int) -> int:
        """As the other."""
        return await self._consumer.resume(token)

    async def consume(self, records: Sequence[Record], position: int) -> int:
        """As the other, watched. Looks without records are not: there are four a second."""
        if not records:
            return await self._consumer.consume(records, position)
        return await self._consume(records, position)

    async def park(self, poison: Poison, attempts: int) -> None:
        """As the other."""
        await self._consumer.park(poison, attempts)

    async def pause(self, reason: str) -> None:
        """As the other."""
        await self._consumer.pause(reason)

    async def caught_up(self) -> None:
        """As the other."""
        await self._consumer.caught_up()
