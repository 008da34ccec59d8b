"""Consumers: functions that are told of events, at least once and in order, by one of several processes."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Awaitable, Callable

import pytest

from everfold import App, EverfoldError, NotFound, Projection, Record, project
from everfold.errors import DefinitionError
from everfold.log.record import Metadata
from everfold.subscriptions.life_cycle import State
from tests.app.bank import Account, Open, Opened, Paid, Pay
from tests.app.stores import SharedMemory, StoreMaker

Check = Callable[[], Awaitable[bool]]


class Names(Projection):
    @project
    def opened(self, event: Opened) -> None: ...


async def until(check: Check) -> None:
    """Look again and again until it holds; not for ever, should the test be wrong."""
    async with asyncio.timeout(30):
        while True:
            if await check():
                return
            await asyncio.sleep(0.005)


class Heard:
    """What a consumer was told of, by key."""

    def __init__(self) -> None:
        self.versions: dict[str, list[int]] = defaultdict(list)
        self.by: dict[str, set[str]] = defaultdict(set)
        self.poison: set[int] = set()
        self.attempts: list[int] = []

    @property
    def count(self) -> int:
        return sum(len(versions) for versions in self.versions.values())

    def app(self, store: StoreMaker, *, who: str = "a", partitions: int = 1, start: str = "first") -> App:
        app = App("bank", Account, store=store(), lease_seconds=0.5)

        @app.consumes("ears", partitions=partitions, start="new" if start == "new" else "first")
        async def hear(event: Opened | Paid, record: Record) -> None:
            if isinstance(event, Paid) and event.amount in self.poison:
                self.attempts.append(event.amount)
                raise ValueError(f"{event.amount} is an evil number")
            self.versions[record.key].append(record.version)
            self.by[who].add(record.key)

        return app


async def reached(app: App, *, parked: int = 0) -> None:
    async def has() -> bool:
        status = await app.consumers["ears"].status()
        return status.lag == 0 and status.parked == parked

    await until(has)


async def test_a_consumer_is_told_of_every_event_of_a_stream_in_order(store: StoreMaker) -> None:
    heard = Heard()
    async with heard.app(store) as app:
        for key in ("a1", "a2"):
            await app.execute(Open(account=key))
            for amount in (1, 2, 3):
                await app.execute(Pay(account=key, amount=amount))
        await reached(app)
    assert heard.versions == {"a1": [1, 2, 3, 4], "a2": [1, 2, 3, 4]}


async def test_it_goes_on_where_it_was_after_a_restart(store: StoreMaker) -> None:
    heard = Heard()
    async with heard.app(store) as app:
        await app.execute(Open(account="a1"))
        await reached(app)
    async with heard.app(store) as app:
        await app.execute(Pay(account="a1", amount=1))
        await reached(app)
    assert heard.versions == {"a1": [1, 2]}


async def test_a_new_consumer_may_begin_with_new_events_only(store: StoreMaker) -> None:
    heard = Heard()
    async with App("bank", Account, store=store()) as app:
        await app.execute(Open(account="a1"))
    async with heard.app(store, start="new") as app:

        async def has_begun() -> bool:
            return (await app.consumers["ears"].status()).position == 1

        await until(has_begun)
        await app.execute(Pay(account="a1", amount=1))
        await reached(app)
    assert heard.versions == {"a1": [2]}


async def test_an_event_it_keeps_failing_on_waits_with_those_behind_it_and_others_go_on(store: StoreMaker) -> None:
    heard = Heard()
    heard.poison = {13}
    async with heard.app(store) as app:
        for key in ("a1", "a2"):
            await app.execute(Open(account=key))
        await app.execute(Pay(account="a1", amount=13))
        await app.execute(Pay(account="a1", amount=1))
        await app.execute(Pay(account="a2", amount=1))
        await reached(app, parked=1)
        assert heard.versions == {"a1": [1], "a2": [1, 2]}
        (parked,) = await app.consumers["ears"].parked()
        assert (parked.stream, parked.position, parked.attempts) == ("account-a1", 3, len(heard.attempts))
        assert "13 is an evil number" in parked.traceback

        again = await app.consumers["ears"].retry("account-a1")
        assert again.handled == 0
        assert again.still_parked is not None

        heard.poison = set()
        again = await app.consumers["ears"].retry("account-a1")
        assert (again.handled, again.still_parked) == (2, None)
        await app.execute(Pay(account="a1", amount=2))
        await reached(app)
    assert heard.versions == {"a1": [1, 2, 3, 4], "a2": [1, 2]}


async def test_an_event_can_be_skipped_for_a_reason(store: StoreMaker) -> None:
    heard = Heard()
    heard.poison = {13}
    async with heard.app(store) as app:
        await app.execute(Open(account="a1"))
        await app.execute(Pay(account="a1", amount=13))
        await app.execute(Pay(account="a1", amount=1))
        await reached(app, parked=1)
        skipped = await app.consumers["ears"].skip(2, reason="nobody wants it")
        assert (skipped.handled, skipped.still_parked) == (2, None)
        with pytest.raises(NotFound, match="set aside at position"):
            await app.consumers["ears"].skip(2, reason="once more")
    assert heard.versions == {"a1": [1, 3]}


async def test_it_can_be_paused_and_resumed(store: StoreMaker) -> None:
    heard = Heard()
    async with heard.app(store) as app:
        await app.execute(Open(account="a1"))
        await reached(app)
        await app.consumers["ears"].pause("the ears hurt")

        async def is_paused() -> bool:
            return app.consumers["ears"].states() == [State.PAUSED]

        await until(is_paused)
        await app.execute(Pay(account="a1", amount=1))
        (status,) = await app.consumers.statuses()
        assert (status.paused, status.lag, heard.count) == ("the ears hurt", 1, 1)
        await app.consumers["ears"].pause(None)
        await reached(app)
    assert heard.versions == {"a1": [1, 2]}


async def test_parts_are_shared_by_processes_and_taken_over(store: StoreMaker) -> None:
    heard = Heard()
    keys = [f"k{number}" for number in range(12)]
    one, other = heard.app(store, who="one", partitions=4), heard.app(store, who="other", partitions=4)
    async with one:
        async with other:

            async def is_shared() -> bool:
                here = (await one.consumers["ears"].status()).parts_here
                return here == (await other.consumers["ears"].status()).parts_here == 2

            await until(is_shared)
            for key in keys:
                await one.execute(Open(account=key))
            await reached(one)
            assert heard.by["one"] and heard.by["other"]
            assert not heard.by["one"] & heard.by["other"]

        async def has_all() -> bool:
            return (await one.consumers["ears"].status()).parts_here == 4

        await until(has_all)
        for key in keys:
            await one.execute(Pay(account=key, amount=1))
        await reached(one)
    assert heard.versions == {key: [1, 2] for key in keys}


async def test_with_another_number_of_parts_nothing_is_missed(store: StoreMaker) -> None:
    heard = Heard()
    keys = [f"k{number}" for number in range(6)]
    async with heard.app(store, partitions=2) as app:
        for key in keys:
            await app.execute(Open(account=key))
        await reached(app)
    async with heard.app(store, partitions=3) as app:
        for key in keys:
            await app.execute(Pay(account=key, amount=1))
        await reached(app)
    assert heard.versions == {key: [1, 2] for key in keys}


async def test_commands_of_a_consumer_take_effect_once_by_the_id_of_the_record(store: StoreMaker) -> None:
    """At-least-once delivery has no double effect: the same event comes twice, the bonus is paid once."""
    app = App("bank", Account, store=store())

    @app.consumes("bonus")
    async def bonus(event: Opened, record: Record) -> None:
        for _ in range(2):
            await app.execute(Pay(account=record.key, amount=5), idempotency_key=record.id)

    async with app:
        await app.execute(Open(account="a1"))

        async def is_paid() -> bool:
            return (await app.load(Account, "a1")).balance > 0

        await until(is_paid)
        assert (await app.load(Account, "a1")).balance == 5
        records = [record async for record in app.store.records()]
        assert records[1].metadata == Metadata(
            correlation_id=records[0].metadata.correlation_id, causation_id=records[0].id, command="pay"
        )


async def test_a_server_leaves_consumers_to_workers() -> None:
    engine, heard = SharedMemory(), Heard()
    async with heard.app(lambda: engine) as worker:
        server = App("bank", Account, store=engine, role="server")
        server.consumes("ears")(_never)
        async with server:
            await server.execute(Open(account="a1"))
            await reached(worker)
            assert server.consumers["ears"].states() == [State.NEW]
    assert heard.count == 1


async def _never(event: Opened) -> None:
    raise AssertionError("a server ran a consumer")


async def test_services_are_filled_by_type(store: StoreMaker) -> None:
    sent: list[str] = []
    app = App("bank", Account, store=store(), services=[sent])

    @app.consumes("mail")
    def mail(event: Opened, mailer: list[object]) -> None:  # plain functions will do
        mailer.append(event.owner)

    with pytest.raises(DefinitionError, match="no service of that type"):
        async with app:
            pass

    app = App("bank", Account, store=store(), services={str: "Dear "})

    @app.consumes("mail")
    def letter(event: Opened, opening: str) -> None:
        sent.append(opening + event.owner)

    async with app:
        await app.execute(Open(account="a1", owner="Ann"))
        await until(_is_sent(sent))
    assert sent == ["Dear Ann"]


def _is_sent(sent: list[str]) -> Check:
    async def is_sent() -> bool:
        return bool(sent)

    return is_sent


def test_what_cannot_be_a_consumer_is_refused() -> None:
    app = App("bank", Account)

    def nothing() -> None: ...
    def text(event: str) -> None: ...
    def fine(event: Opened) -> None: ...

    with pytest.raises(DefinitionError, match="takes no event"):
        app.consumes("x")(nothing)
    with pytest.raises(DefinitionError, match="is not an event"):
        app.consumes("x")(text)
    with pytest.raises(DefinitionError, match="partitions=0"):
        app.consumes("x", partitions=0)(fine)
    with pytest.raises(EverfoldError, match="cannot be the name of a consumer"):
        app.consumes("")(fine)
    app.consumes("x")(fine)
    with pytest.raises(DefinitionError, match="two consumers named 'x'"):
        app.consumes("x")(fine)
    with pytest.raises(DefinitionError, match="there is a projection named 'names'"):
        App("bank", Account, Names).consumes("names")(fine)


async def test_an_unknown_consumer_is_not_found() -> None:
    async with Heard().app(SharedMemory) as app:
        with pytest.raises(NotFound, match="There are: ears"):
            app.consumers["eyes"]
