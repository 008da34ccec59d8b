"""Several processes that serve one app on one socket: started together, replaced when one dies, stopped in good order.

Each has an app of its own, imported anew; what they share is the store and the socket. Used by ``run --workers``, and
with one process by ``run --reload``.
"""

from __future__ import annotations

import asyncio
import multiprocessing
import signal
import socket
from collections.abc import Callable
from contextlib import contextmanager, suppress
from multiprocessing.connection import Connection
from typing import TYPE_CHECKING, Any

import msgspec

from everfold.cli.output import note
from everfold.cli.serving import Plan, Started
from everfold.cli.stopping import Stopping
from everfold.cli.worker import work

if TYPE_CHECKING:
    from collections.abc import Generator

    from everfold.cli.code_watch import CodeWatch

__all__ = ["Supervisor"]

LONGER = 15.0
"""Seconds that workers have beyond the setting shutdown_timeout before they are killed: they close the app, too."""
PAUSES = (0.0, 0.5, 1.0, 2.0, 5.0, 10.0)
"""Before the next attempt, by how many have failed in a row."""


class Worker:
    """A process that serves, or is about to."""

    def __init__(self, plan: Plan, listening: socket.socket | None, when_started: Callable[[Worker], None]) -> None:
        context = multiprocessing.get_context("spawn")
        self._connection, theirs = context.Pipe()
        self._when_started = when_started
        self.started: Started | None = None
        self.ended = asyncio.Event()
        self._process = context.Process(target=work, args=(plan, listening, theirs), daemon=False)
        with _ignored(signal.SIGINT):  # which the new process inherits, so that no Ctrl-C is too early
            self._process.start()
        theirs.close()
        loop = asyncio.get_running_loop()
        loop.add_reader(self._connection.fileno(), self._hear, self._connection)
        loop.add_reader(self._process.sentinel, self._end)

    @property
    def id(self) -> int:
        """Of the process."""
        return self._process.pid or 0

    @property
    def exit_code(self) -> int:
        """How it ended; minus the number of the signal that ended it."""
        return self._process.exitcode or 0

    def terminate(self) -> None:
        """Ask it to stop; asked again it does not wait for requests under way."""
        if not self.ended.is_set():
            self._process.terminate()

    def kill(self) -> None:
        """End it, whatever it does."""
        if not self.ended.is_set():
            self._process.kill()

    def _hear(self, connection: Connection) -> None:
        try:
            self.started = connection.recv()
        except (EOFError, OSError):
            asyncio.get_running_loop().remove_reader(connection.fileno())
        else:
            self._when_started(self)

    def _end(self) -> None:
        loop = asyncio.get_running_loop()
        loop.remove_reader(self._process.sentinel)
        loop.remove_reader(self._connection.fileno())
        self._process.join()
        self._connection.close()
        self.ended.set()


class Supervisor:
    """Keeps as many workers running as were asked for."""

    def __init__(
        self, plan: Plan, count: int, listening: socket.socket | None, *, patience: float, watch: CodeWatch | None
    ) -> None:
        """``watch``: replace the workers when it sees a change."""
        self._plans = [msgspec.structs.replace(plan, tells=plan.tells and number == 0) for number in range(count)]
        self._listening = listening
        self._patience = patience + LONGER
        self._watch = watch
        self._workers: dict[int, Worker] = {}
        self._stopped = asyncio.Event()
        self._change = asyncio.Event()
        """Of the code: set when it comes. For the one after that there is another."""
        self._code = 0
        self._has_told = False
        self._tell: Callable[[Started, list[int]], None] = lambda started, ids: None

    async def run(self, stopping: Stopping, tell: Callable[[Started, list[int]], None]) -> int:
        """Until it is asked to stop; the exit code. ``tell`` is called when all of them serve for the first time."""
        self._tell = tell
        watching = asyncio.create_task(self._watch_code(self._watch)) if self._watch else None
        with stopping.means(self._stop, self._stop):
            await asyncio.gather(*(self._keep(number) for number in range(len(self._plans))))
        if watching:
            watching.cancel()
            await asyncio.gather(watching, return_exceptions=True)
        self._close()
        return self._code

    async def _keep(self, number: int) -> None:
        failed = 0
        while not self._stopped.is_set():
            change = self._change
            worker = self._workers[number] = Worker(self._plans[number], self._listening, self._started)
            await self._end_of(worker)
            failed = 0 if worker.started else failed + 1
            if self._stopped.is_set():
                self._code = self._code or int(worker.started is not None and worker.exit_code != 0)
            elif self._watch:
                await self._after(change, worker)
            elif not self._has_told and worker.started is None:
                self._code = max(worker.exit_code, 1)  # it has said why
                self._stop()
            else:
                note(f"The worker {worker.id} has ended ({_how(worker.exit_code)}). Another takes its place.")
                with suppress(TimeoutError):
                    await asyncio.wait_for(self._stopped.wait(), PAUSES[min(failed, len(PAUSES) - 1)] or 0.01)

    async def _end_of(self, worker: Worker) -> None:
        """Wait for it; not for ever, once it is to stop."""
        ended = asyncio.ensure_future(worker.ended.wait())
        stopped = asyncio.ensure_future(self._stopped.wait())
        await asyncio.wait([ended, stopped], return_when=asyncio.FIRST_COMPLETED)
        stopped.cancel()
        if not ended.done():
            await asyncio.wait([ended], timeout=self._patience)
        if not ended.done():
            note(f"The worker {worker.id} did not end in time and is killed.")
            worker.kill()
        await asyncio.gather(ended, stopped, return_exceptions=True)

    def _started(self, worker: Worker) -> None:
        workers = self._workers.values()
        if self._stopped.is_set():
            worker.terminate()
        elif self._has_told:
            note(f"The worker {worker.id} serves.")
        elif len(workers) == len(self._plans) and all(each.started for each in workers):
            self._has_told = True
            first = self._workers[0].started
            if first:
                self._tell(first, [each.id for each in workers])

    def _stop(self) -> None:
        """At the second call they do not wait for requests under way."""
        self._stopped.set()
        self._change.set()
        self._close()
        for worker in self._workers.values():
            worker.terminate()

    def _close(self) -> None:
        """As long as any process has it open, the system takes connections that nobody would answer."""
        if self._listening is not None:
            self._listening.close()

    # --- changed code

    async def _watch_code(self, watch: CodeWatch) -> None:
        while True:
            name = await watch.change()
            note(f"{name} has changed: starting again.")
            self._change.set()
            self._change = asyncio.Event()
            for worker in self._workers.values():
                worker.terminate()

    async def _after(self, change: asyncio.Event, worker: Worker) -> None:
        if not change.is_set():
            note(f"The worker {worker.id} has ended ({_how(worker.exit_code)}). Waiting for a change of the code.")
        await change.wait()


def _how(code: int) -> str:
    if code >= 0:
        return f"exit code {code}"
    try:
        return signal.Signals(-code).name
    except ValueError:
        return f"signal {-code}"


@contextmanager
def _ignored(number: signal.Signals) -> Generator[None]:
    before: Any = signal.signal(number, signal.SIG_IGN)
    try:
        yield
    finally:
        signal.signal(number, before)
