"""Makes an inline projection, and brings it back into step when programs that do not know it have appended."""

from __future__ import annotations

import asyncio
import logging

from everfold.clock import Clock
from everfold.errors import StoreClosed
from everfold.log.engine import LogEngine
from everfold.projections.build_consumer import build_up
from everfold.projections.inline import InlineProjections
from everfold.projections.runner import ProjectionRunner
from everfold.subscriptions.life_cycle import LifeCycle, Signal, State
from everfold.subscriptions.subscription import Fenced, Moved, Paused, Status

__all__ = ["InlineRunner"]

_log = logging.getLogger("everfold.projections")
LOOK_SECONDS = 0.25


class InlineRunner:
    """Watches over one inline projection. Every process has one, and they need no lease: each batch is judged anew."""

    def __init__(self, runner: ProjectionRunner, hook: InlineProjections, *, engine: LogEngine, clock: Clock) -> None:
        self.life = LifeCycle()
        self.status = Status()
        self._runner = runner
        self._hook = hook
        self._engine = engine
        self._clock = clock
        self._nudge = asyncio.Event()

    @property
    def state(self) -> State:
        """What it is doing: live means that the rows are written by the appends."""
        return self.life.state

    def nudge(self) -> None:
        """Have it look at once."""
        self._nudge.set()

    async def run(self) -> None:
        """Run until cancelled, or until the store is closed."""
        self.life.send(Signal.START)
        self.life.send(Signal.GRANTED)
        try:
            while True:
                await self._once()
                self._nudge.clear()
                try:
                    async with asyncio.timeout(LOOK_SECONDS):
                        await self._nudge.wait()
                except TimeoutError:
                    continue
        except StoreClosed:
            pass
        finally:
            self.life.send(Signal.STOP)

    async def _once(self) -> None:
        try:
            await self._keep_up()
        except (Fenced, Moved):
            self._runner.forget()
        except Paused as paused:
            self.status.problem = str(paused)
            self.life.send(Signal.PAUSE)
        except StoreClosed:
            raise
        except Exception as error:
            if self.status.problem != str(error):
                _log.warning("%s cannot catch up and will try again: %s", self._runner.title, error)
            self.status.problem = str(error)
            self.life.send(Signal.FAILED)

    async def _keep_up(self) -> None:
        runner = self._runner
        if not runner.is_prepared:
            await runner.prepare()
            self._hook.add(runner.new_writer(), runner.fingerprint)
        row = await runner.look()
        head = self.status.head = await self._engine.wait(-1)
        self.status.position = row.position
        if row.position < head:
            await self._catch_up(head)
        await runner.caught_up()
        if self.state in (State.PAUSED, State.RETRYING):
            self.life.send(Signal.RESUME if self.state is State.PAUSED else Signal.WORKED)
        self.status.problem = None
        self.life.send(Signal.CAUGHT_UP)

    async def _catch_up(self, head: int) -> None:
        if self.state is State.LIVE:
            self.life.send(Signal.FELL_BEHIND)
        await self._runner.resume(0)
        await build_up(self._engine, self._runner.running, until=head, progress=self._runner.progress)
