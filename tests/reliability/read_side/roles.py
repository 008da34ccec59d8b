"""What the forked processes of these tests do: append, project, work, append with inline projections."""

import asyncio
import os
import random
import signal
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from everfold import App, Event, Record
from everfold.errors import EverfoldError, ProjectionFailed
from everfold.projections import build_consumer
from everfold.subscriptions import subscription
from everfold.subscriptions.backoff import Backoff
from everfold.subscriptions.follow import follow
from everfold.subscriptions.lease import Lease, Leases
from everfold.subscriptions.life_cycle import LifeCycle, Signal, State
from tests.reliability.read_side.forks import eventually
from tests.reliability.read_side.ledger import (
    EVENTS,
    FOLDS,
    UNLUCKY,
    Cancelled,
    Closed,
    Noted,
    Opened,
    Paid,
    Placed,
    Unlucky,
    projections,
)
from tests.reliability.read_side.phases import WRITING, replace, say, watch

__all__ = ["PAGE", "ROLES"]

PAGE = 25
ACCOUNTS = 30


def hurry() -> None:
    """Small pages, so that there are many batches, and short pauses before an event is given up on."""
    small = partial(follow, page=PAGE)
    for module in (subscription, build_consumer):
        replace(module, "follow", small)
    defaults: Any = subscription.Subscription.__init__.__kwdefaults__
    defaults["poison"] = Backoff(first=0.001, longest=0.001, attempts=2)


def stop_asked_for() -> asyncio.Event:
    """Set when somebody asks for a clean end."""
    asked = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, asked.set)
    return asked


# --- appending


class History:
    """Makes up what happens next: always something that makes sense, now and then something unlucky."""

    def __init__(self, name: str, *, unlucky: float) -> None:
        self._chance = random.Random(name)
        self._name = name
        self._unlucky = unlucky
        self._orders: list[str] = []
        self._count = 0
        self._opened: set[str] = set()

    def next(self) -> tuple[str, list[Event]]:
        """A stream, and what happens in it."""
        chance = self._chance
        self._count += 1
        account = f"{self._name}.{chance.randrange(ACCOUNTS)}"
        kind = chance.random()
        if account not in self._opened:
            self._opened.add(account)
            return f"account-{account}", [Opened(owner=f"owner of {account}"), Paid(amount=1)]
        if kind < 0.5:
            amounts = [chance.randrange(14, 99) for _ in range(chance.randint(1, 3))]
            if chance.random() < self._unlucky:
                amounts.append(UNLUCKY)
            return f"account-{account}", [Paid(amount=amount) for amount in amounts]
        if kind < 0.8:
            self._orders.append(f"{self._name}.{self._count}")
            return f"order-{self._orders[-1]}", [Placed(account=account, total=chance.randrange(1, 99))]
        if kind < 0.9 and self._orders:
            order = self._orders.pop(chance.randrange(len(self._orders)))
            return f"order-{order}", [Cancelled(reason="too late")]
        if kind < 0.95:
            return f"account-{account}", [Closed(reason="moved")]
        return f"note-{self._count % 5}", [Noted(text="by the way")]


def append(
    store: str, seed: int, *, unlucky: float = 0.01, count: int | None = None, at_once: int = 8, pause: float = 0.02
) -> None:
    """Append until killed, or so many times."""
    asyncio.run(_append(App("ledger", store=store, events=EVENTS), seed, unlucky, count, at_once, pause))


def append_inline(store: str, seed: int, *, dies_at: int = 0, phases: str = "", count: int | None = None) -> None:
    """Append with inline projections. Unlucky payments are refused, and stored nowhere."""
    watch(".db", phases=phases, dies_at=dies_at)
    app = App("ledger", *projections(mode="inline"), store=store, events=EVENTS)
    asyncio.run(_append(app, seed, 0.05, count, 4, 0.001))


async def _append(app: App, seed: int, unlucky: float, count: int | None, at_once: int, pause: float) -> None:
    history, made = History(f"{seed}", unlucky=unlucky), 0
    async with app:
        say("ready")
        while count is None or made < count:
            some = [history.next() for _ in range(at_once)]
            made += at_once
            work = [app.store.append(stream, *events) for stream, events in some]
            outcomes = await asyncio.gather(*work, return_exceptions=True)
            for outcome in outcomes:
                if isinstance(outcome, ProjectionFailed):
                    say("refused", str(outcome))
                elif isinstance(outcome, BaseException):
                    say("error", repr(outcome))
            await asyncio.sleep(pause)
        say("done", made)


# --- projecting


def project(
    store: str,
    *,
    phases: str = "",
    dies_at: int = 0,
    dies_before: str = "",
    versions: Mapping[str, int] | None = None,
    rebuilds: bool = False,
    lease: float = 0.1,
) -> None:
    """Project until killed or asked to stop; ``rebuilds``: and build one projection after the other anew."""
    hurry()
    before = (dies_before,) if dies_before else WRITING
    watch(".views.db", phases=phases, dies_at=dies_at, dies_before=before)
    app = App("ledger", *projections(versions=versions), store=store, events=EVENTS, lease_seconds=lease, role="worker")
    asyncio.run(_project(app, rebuilds=rebuilds))


async def _project(app: App, *, rebuilds: bool) -> None:
    async with app:
        stop = stop_asked_for()
        say("ready")
        rebuilding = asyncio.create_task(_rebuild(app)) if rebuilds else None
        await stop.wait()
        if rebuilding:
            rebuilding.cancel()
            await asyncio.gather(rebuilding, return_exceptions=True)


async def _rebuild(app: App) -> None:
    while True:
        for name in FOLDS:
            try:
                say("rebuilt", await app.projections.rebuild(name))
            except EverfoldError as error:
                say("not rebuilt", str(error))  # a process that was killed in it still has the lease
                await asyncio.sleep(0.01)


def consume(store: str, told: str, *, parts: int, phases: str = "", dies_at: int = 0, lease: float = 0.1) -> None:
    """Be told of payments, and write down each in a file, beyond the reach of transactions; until killed."""
    hurry()
    watch(".db", phases=phases, dies_at=dies_at)
    file = os.open(told, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    app = App("ledger", store=store, events=EVENTS, lease_seconds=lease, role="worker")

    @app.consumes("payments", partitions=parts)
    def payment(event: Paid, record: Record) -> None:  # pyright: ignore[reportUnusedFunction]
        if event.amount == UNLUCKY:
            raise Unlucky
        os.write(file, f"{os.getpid()} {record.position} {record.id}\n".encode())

    asyncio.run(_project(app, rebuilds=False))


def work(store: str, *, lease: float, halts: bool = False) -> None:
    """Project as one of several; reports when it is granted and loses the lease of each projection.

    ``halts``: after SIGUSR1, it halts with its next batch read and not yet written, until it is continued.
    """
    hurry()
    send = LifeCycle.send

    def sending(self: LifeCycle, sent: Signal) -> State:
        if sent in (Signal.GRANTED, Signal.LOST):
            say(sent.value)
        return send(self, sent)

    replace(LifeCycle, "send", sending)
    if halts:
        _halt_when_asked()
    entries = projections()[0]
    app = App("ledger", entries, store=store, events=EVENTS, lease_seconds=lease, role="worker")
    asyncio.run(_project(app, rebuilds=False))


def _halt_when_asked() -> None:
    """Halt while nothing is being written: whoever halts within a transaction keeps the file."""
    asked: list[int] = []
    renewing: list[object] = []
    signal.signal(signal.SIGUSR1, lambda number, _: asked.append(number))
    apply, renew = build_consumer.BuildConsumer._apply, Leases.renew  # pyright: ignore[reportPrivateUsage]

    async def noted(self: Leases, lease: Lease) -> bool:
        renewing.append(lease)
        try:
            return await renew(self, lease)
        finally:
            renewing.pop()

    async def halting(self: Any, records: Any, position: int) -> int:
        if not asked or not records:
            return await apply(self, records, position)
        await eventually(lambda: not renewing)
        asked.clear()
        before = self.position
        say("halting", before, position)
        os.kill(os.getpid(), signal.SIGSTOP)
        try:
            return await apply(self, records, position)
        except BaseException as error:
            say("refused", type(error).__name__, before)
            raise

    replace(Leases, "renew", noted)
    replace(build_consumer.BuildConsumer, "_apply", halting)


ROLES: dict[str, Callable[..., None]] = {
    "append": append,
    "append-inline": append_inline,
    "consume": consume,
    "project": project,
    "work": work,
}
