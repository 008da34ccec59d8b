from collections.abc import Awaitable
from typing import Any

import pytest

from everfold import App, Event, Rejected
from everfold.app.instruments import Instrument, Instruments
from everfold.app.middleware import Envelope, Next
from everfold.errors import NotAuthorized
from everfold.log.write import Outcome, Write
from everfold.store.committer import Commit
from everfold.subscriptions.subscription import Consumer
from tests.http.bank import Account, AccountSummaries, OpenAccount


class Told(Instrument):
    """Writes down what it sees."""

    def __init__(self, name: str, told: list[str]) -> None:
        self._name = name
        self._told = told

    def message(self, envelope: Envelope, next: Next) -> Awaitable[Any]:
        self._told.append(f"{self._name}: {envelope.kind} {envelope.name}")
        return next(envelope)

    def commit(self, commit: Commit) -> Commit:
        async def told(write: Write) -> Outcome:
            self._told.append(f"{self._name}: append {write.appends[0].stream}")
            return await commit(write)

        return told

    def consumer(self, title: str, consumer: Consumer) -> Consumer:
        self._told.append(f"{self._name}: {title}")
        return consumer


class Seen(Event):
    pass


async def test_they_are_around_messages_appends_and_consumers_the_first_outermost() -> None:
    told: list[str] = []
    app = App("bank", Account, AccountSummaries, store="memory:", events=[Seen])
    app.instruments.add(Told("one", told))
    app.instruments.add(Told("two", told))

    @app.consumes("mails", partitions=2)
    async def mail(event: Seen) -> None:
        pass

    async with app:
        # Made from the inside to the outside.
        assert sorted(told) == [
            "one: account-summaries",
            *["one: mails"] * 2,
            "two: account-summaries",
            *["two: mails"] * 2,
        ]
        assert told.index("two: account-summaries") < told.index("one: account-summaries")
        told.clear()
        await app.execute(OpenAccount(account_id="a1", owner="Ann"))
    assert told == [
        "one: command open-account", "two: command open-account", "one: append account-a1", "two: append account-a1",
    ]  # fmt: skip


async def test_they_see_what_middlewares_refuse() -> None:
    told: list[str] = []
    app = App("bank", Account, store="memory:", authorize=lambda envelope: False)
    app.instruments.add(Told("one", told))
    async with app:
        with pytest.raises(NotAuthorized):
            await app.execute(OpenAccount(account_id="a1", owner="Ann"))
    assert told == ["one: command open-account"]


async def test_an_app_without_any_is_not_wrapped() -> None:
    instruments = Instruments()

    async def commit(write: Write) -> Outcome:
        raise Rejected("never", "It is not called.")

    instruments.add(Instrument())
    assert instruments.middlewares() == []
    assert instruments.commit(commit) is commit
    assert instruments.find(Told) is None
    instruments.add(Told("one", []))
    assert isinstance(instruments.find(Told), Told)
