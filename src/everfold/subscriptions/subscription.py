"""A subscription: drives one consumer along the log. Used by projections and by consumers of users.

The thin loop around the life cycle: take the lease, go on from the consumer's position, hand it span after span,
retry what fails, set aside what keeps failing, and give way when the lease is lost.
"""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any, Protocol

import msgspec

from everfold.clock import Clock
from everfold.errors import EverfoldError, StoreClosed
from everfold.log.engine import LogEngine
from everfold.log.record import Record
from everfold.log.selection import Selection
from everfold.subscriptions.backoff import OUTAGE, POISON, Backoff
from everfold.subscriptions.follow import Span, follow
from everfold.subscriptions.lease import Lease, Leases
from everfold.subscriptions.life_cycle import LifeCycle, Signal, State

__all__ = ["Around", "Consumer", "Fenced", "Moved", "Paused", "Poison", "Subscription", "beyond", "unwatched"]

_log = logging.getLogger("everfold.subscriptions")
PATIENCE = 0.25
"""Seconds between looks at whether somebody paused or resumed, when nothing else happens."""
STREAMS_TO_DOUBT = 5
"""When so many streams in a row had to be set aside and nothing worked between, it is not the events' fault."""
RELEASE_SECONDS = 2.0
"""How long giving the lease back may take when it is not needed any more."""


class Poison(Exception):
    """A consumer failed on one record. Everything before it is done and checkpointed."""

    def __init__(self, record: Record, error: BaseException, *, handled: int = 0) -> None:
        super().__init__(str(error))
        self.record = record
        self.error = error
        self.handled = handled
        """How many events before it were handled."""


class Paused(Exception):
    """The consumer is paused; the text says why."""


class Fenced(Exception):
    """Somebody with a newer lease has written, or there is something else to be run now: let go, and begin anew."""


class Moved(Exception):
    """The consumer is not where we thought: others moved it. Go on from where it is."""


class Consumer(Protocol):
    """What a subscription drives. Each call is durable, or has no effect, when it returns or raises."""

    @property
    def name(self) -> str:
        """Its name, and that of its lease."""
        ...

    @property
    def selection(self) -> Selection:
        """The records it wants."""
        ...

    def ends_in_merge(self, record: Record) -> bool:
        """Whether the record may belong to the next one, so that a span should not end with it."""
        ...

    async def prepare(self) -> None:
        """Find out what there is to run; called before each attempt to get the lease."""
        ...

    async def resume(self, token: int) -> int:
        """The position to go on from, under this lease. Raises Fenced or Paused."""
        ...

    async def consume(self, records: Sequence[Record], position: int) -> int:
        """Deal with the records and remember the position; how many were handled.

        Raises Poison, Paused, Fenced, Moved or a StoreError.
        """
        ...

    async def park(self, poison: Poison, attempts: int) -> None:
        """Set the record aside, to be retried by hand, and remember its position."""
        ...

    async def pause(self, reason: str) -> None:
        """Pause itself."""
        ...

    async def caught_up(self) -> None:
        """There is nothing more at the moment."""
        ...


Around = Callable[[str, Consumer], Consumer]
"""Given a consumer and the name it is known by, gives one that is watched and does the same."""


def unwatched(title: str, consumer: Consumer) -> Consumer:
    """The consumer itself."""
    return consumer


class Status(msgspec.Struct, kw_only=True):
    """What can be told of a subscription at any time."""

    position: int = 0
    head: int = 0
    problem: str | None = None
    """What it is retrying, or why it is paused."""


class Subscription:
    """Runs one consumer until it is stopped."""

    def __init__(
        self,
        consumer: Consumer,
        *,
        engine: LogEngine,
        leases: Leases,
        clock: Clock,
        rng: random.Random,
        poison: Backoff = POISON,
        outage: Backoff = OUTAGE,
        may_take: Callable[[], bool] = lambda: True,
    ) -> None:
        self.consumer = consumer
        self.life = LifeCycle()
        self.status = Status()
        self._engine = engine
        self._leases = leases
        self._clock = clock
        self._rng = rng
        self._poison = poison
        self._outage = outage
        self._nudge = asyncio.Event()
        self._may_take = may_take
        self._yields = asyncio.Event()
        self._parked_in_a_row: set[str] = set()

    @property
    def state(self) -> State:
        """What it is doing."""
        return self.life.state

    def nudge(self) -> None:
        """Have it look at once whether it is still paused, or may have the lease."""
        self._nudge.set()

    def give_way(self) -> None:
        """Have it give its lease back, so that another process may take it."""
        self._yields.set()

    async def run(self) -> None:
        """Run until cancelled, or until the store is closed."""
        self.life.send(Signal.START)
        try:
            while True:
                lease = await self._stand_by()
                await self._hold(lease)
        except StoreClosed:
            pass
        finally:
            self.life.send(Signal.STOP)

    async def _stand_by(self) -> Lease:
        pauses = self._outage.pauses(self._rng)
        while True:
            try:
                await self.consumer.prepare()
                lease = await self._leases.take(self.consumer.name) if self._may_take() else None
            except StoreClosed:
                raise
            except Exception as error:
                self._complain(error)
                await self._clock.sleep(next(pauses))
                continue
            if lease is not None:
                self.life.send(Signal.GRANTED)
                return lease
            await self._rest(self._leases.seconds / 5)

    async def _hold(self, lease: Lease) -> None:
        """Work while the lease is ours."""
        work = asyncio.create_task(self._work(lease), name=f"everfold-work-{lease.name}")
        keep = asyncio.create_task(self._keep(lease), name=f"everfold-lease-{lease.name}")
        self._yields.clear()
        leave = asyncio.create_task(self._yields.wait(), name=f"everfold-yield-{lease.name}")
        tasks: tuple[asyncio.Task[Any], ...] = (work, keep, leave)
        try:
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in tasks:
                task.cancel()
            results = await asyncio.gather(*tasks, return_exceptions=True)
            with suppress(Exception):  # what cannot be given back now, with the database away, ends by itself
                async with asyncio.timeout(RELEASE_SECONDS):
                    await self._leases.release(lease)
        for result in results:
            if isinstance(result, BaseException) and not isinstance(result, asyncio.CancelledError):
                raise result
        self.life.send(Signal.LOST)

    async def _keep(self, lease: Lease) -> None:
        """Renew the lease; ends when it is lost, or when it could not be renewed in time."""
        renewed = self._clock.monotonic()
        while True:
            await self._clock.sleep(self._leases.seconds / 3)
            try:
                if not await self._leases.renew(lease):
                    return
                renewed = self._clock.monotonic()
            except Exception as error:
                self._complain(error)
                if self._clock.monotonic() - renewed > self._leases.seconds:
                    return

    async def _work(self, lease: Lease) -> None:
        """Ends when somebody with a newer lease has written."""
        pauses = self._outage.pauses(self._rng)
        while True:
            try:
                position = await self.consumer.resume(lease.token)
                if self.state is State.RETRYING:
                    self.life.send(Signal.WORKED)
                pauses = self._outage.pauses(self._rng)
                await self._follow(position)
            except Fenced:
                return
            except Moved:
                continue
            except Paused as paused:
                if not await self._wait_while_paused(str(paused), lease):
                    return
            except StoreClosed:
                raise
            except Exception as error:
                self._complain(error)
                self.life.send(Signal.FAILED)
                await self._clock.sleep(next(pauses))

    async def _wait_while_paused(self, reason: str, lease: Lease) -> bool:
        """Whether to go on; not, when there is something else to be run by now."""
        self.life.send(Signal.PAUSE)
        self.status.problem = reason
        while True:
            await self._rest(PATIENCE)
            try:
                await self.consumer.resume(lease.token)
            except Paused:
                continue
            except Fenced:
                return False
            except StoreClosed:
                raise
            except Exception as error:
                self._complain(error)
                continue
            self.status.problem = None
            self._parked_in_a_row.clear()
            self.life.send(Signal.RESUME)
            return True

    async def _follow(self, position: int) -> None:
        spans = follow(
            self._engine,
            self.consumer.selection,
            after=position,
            ends_in_merge=self.consumer.ends_in_merge,
            patience=PATIENCE,
        )
        try:
            async for span in spans:
                await self._deliver(span)
                self.status.position, self.status.head = span.position, span.head
                if span.is_last:
                    self.life.send(Signal.CAUGHT_UP)
                    await self.consumer.caught_up()
                elif self.state is not State.CATCHING_UP:
                    self.life.send(Signal.FELL_BEHIND)
        finally:
            await spans.aclose()

    async def _deliver(self, span: Span) -> None:
        """Have the whole span consumed, with retries, and with what keeps failing set aside."""
        records: Sequence[Record] = span.records
        failed_at, attempts = 0, 0
        pauses = self._poison.pauses(self._rng)
        while True:
            try:
                handled = await self.consumer.consume(records, span.position)
            except Poison as poison:
                if poison.handled:
                    self._parked_in_a_row.clear()
                position = poison.record.position
                records = beyond(records, position - 1)
                if position != failed_at:
                    failed_at, attempts, pauses = position, 0, self._poison.pauses(self._rng)
                attempts += 1
                if await self._try_again(poison, next(pauses, None)):
                    continue
                await self._give_up(poison, attempts)
                records = beyond(records, position)
            else:
                if self.state in (State.RETRYING, State.PARKED):
                    self.life.send(Signal.WORKED)
                self.status.problem = None
                if handled:
                    self._parked_in_a_row.clear()
                return

    async def _try_again(self, poison: Poison, pause: float | None) -> bool:
        self.life.send(Signal.FAILED)
        self.status.problem = f"{type(poison.error).__name__} at position {poison.record.position}: {poison.error}"
        if pause is None:
            return False
        await self._clock.sleep(pause)
        return True

    async def _give_up(self, poison: Poison, attempts: int) -> None:
        """Set the event aside, or doubt oneself."""
        self._parked_in_a_row.add(poison.record.stream)
        if len(self._parked_in_a_row) >= STREAMS_TO_DOUBT:
            reason = (
                f"it failed on the events of {len(self._parked_in_a_row)} streams in a row, last at position "
                f"{poison.record.position}: {type(poison.error).__name__}: {poison.error}"
            )
            await self.consumer.pause(reason)
            raise Paused(reason)
        _log.error(
            "%s gave up on the event at position %d of %s and set it aside: %s",
            self.consumer.name,
            poison.record.position,
            poison.record.stream,
            poison.error,
        )
        await self.consumer.park(poison, attempts)
        self.life.send(Signal.GAVE_UP)

    async def _rest(self, seconds: float) -> None:
        """Wait, or until somebody nudges."""
        self._nudge.clear()
        sleep = asyncio.ensure_future(self._clock.sleep(seconds))
        nudge = asyncio.ensure_future(self._nudge.wait())
        try:
            await asyncio.wait((sleep, nudge), return_when=asyncio.FIRST_COMPLETED)
        finally:
            sleep.cancel()
            nudge.cancel()

    def _complain(self, error: Exception) -> None:
        text = str(error) if isinstance(error, EverfoldError) else f"{type(error).__name__}: {error}"
        if text != self.status.problem:
            _log.warning("%s cannot go on and will try again: %s", self.consumer.name, text)
        self.status.problem = text


def beyond(records: Sequence[Record], position: int) -> list[Record]:
    """The records after a position."""
    return [record for record in records if record.position > position]
