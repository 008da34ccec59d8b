"""Bad input gets a clear error and changes nothing, in memory and in SQLite."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import datetime
from typing import Any

import pytest

from everfold import Aggregate, App, Command, Event, Events, decide, evolve
from everfold.errors import (
    BrokenRule,
    EverfoldError,
    InvalidEvent,
    InvalidMessage,
    InvalidName,
    PayloadTooLarge,
    UnknownMessage,
)
from everfold.log.record import Record
from tests.app.stores import StoreMaker, contents

ANN: dict[str, Any] = {"speaker": "ann"}
NAN = float("nan")
NAIVE = datetime(2024, 1, 1)  # noqa: DTZ001 (that is the point)


class Said(Event):
    text: str = ""
    number: float = 0.0
    at: datetime | None = None
    more: Any = None


class Say(Command):
    """``odd`` names what the decision yields, beyond what the command could hold."""

    speaker: str
    text: str = ""
    number: float = 0.0
    at: datetime | None = None
    odd: str = ""


class Unhandled(Command):
    speaker: str


class Unregistered(Event):
    pass


WRONG: dict[str, Any] = {
    "wrong type": {"text": 5},
    "nothing for text": {"text": None},
    "nan": {"number": NAN},
    "nan inside": {"more": [{"deep": NAN}]},
    "naive": {"at": NAIVE},
    "naive inside": {"more": {"at": NAIVE}},
    "no json": {"more": object()},
    "surrogate": {"text": "\ud800"},
}


class Speaker(Aggregate, key="speaker"):
    last: str = ""

    @decide
    def say(self, command: Say) -> Events:
        yield Said(text=command.text, number=command.number, at=command.at)
        if command.odd in WRONG:
            yield Said(**WRONG[command.odd])
        elif command.odd == "unregistered":
            yield Unregistered()
        elif command.odd == "no event":
            yield "text"
        elif command.odd == "a class":
            yield Said
        elif command.odd == "a command":
            yield command

    @evolve
    def said(self, event: Said) -> None:
        self.last = event.text + self.last[:10]

    @evolve
    def unregistered(self, event: Unregistered) -> None:
        raise AssertionError("it never comes so far")


@pytest.fixture
async def app(store: StoreMaker) -> AsyncIterator[App]:
    app = App("talk", Speaker, store=store())
    app.parts.events.remove(Unregistered)
    async with app:
        await app.execute(Say(speaker="ann", text="hello"))
        yield app


async def refused(app: App, command: Any, kind: type[EverfoldError]) -> EverfoldError:
    """The error, after the store was compared with what it held before, and the aggregate with what it was."""
    before: list[Record] = await contents(app)
    head = await app.store.head()
    with pytest.raises(kind) as error:
        await app.execute(command)
    assert await app.store.head() == head
    assert await contents(app) == before
    assert (await app.load(Speaker, "ann")).last == "hello"
    assert len(str(error.value)) < 500
    done = await app.execute(Say(speaker="ann", text="again"))
    assert (done.version, (await app.load(Speaker, "ann")).last) == (2, "againhello")
    return error.value


KEYS = ["", "a b", "a/b", "a\\b", "a\nb", "a\0b", "x" * 10_240, "\N{GRINNING FACE}", "Jürgen", "\ud800", "%2f?#"]


@pytest.mark.parametrize("key", KEYS, ids=ascii)
async def test_a_key_that_breaks_the_rules(app: App, key: str) -> None:
    error = await refused(app, Say(speaker=key), InvalidMessage if key == "\ud800" else InvalidName)
    assert error.code in {"invalid-name", "invalid-message"}


async def test_no_key_at_all(app: App) -> None:
    nobody: Any = None
    error = await refused(app, Say(speaker=nobody), InvalidMessage)
    assert "$.speaker" in str(error)


@pytest.mark.parametrize(
    "fields",
    [
        {"text": None},
        {"text": 5},
        {"number": "5"},
        {"number": NAN},
        {"number": float("inf")},
        {"at": NAIVE},
        {"at": "x"},
    ],
    ids=str,
)
async def test_a_command_with_a_wrong_field(app: App, fields: dict[str, Any]) -> None:
    await refused(app, Say(**(ANN | fields)), InvalidMessage)


def test_a_command_with_a_missing_or_unknown_field_cannot_be_made() -> None:
    say: Any = Say
    with pytest.raises(TypeError, match="speaker"):
        say()
    with pytest.raises(TypeError, match="volume"):
        say(speaker="ann", volume=3)


@pytest.mark.parametrize("command", [Unhandled(speaker="ann"), "say", None, Say, Said(text="x")], ids=str)
async def test_a_command_that_nothing_handles(app: App, command: Any) -> None:
    await refused(app, command, UnknownMessage)


async def test_a_payload_beyond_the_limit(app: App) -> None:
    error = await refused(app, Say(speaker="ann", text="x" * 10_000_000), PayloadTooLarge)
    assert "raise the setting max_event_bytes" in str(error)


async def test_the_limit_of_payloads_is_a_setting(store: StoreMaker) -> None:
    for limit, fits in ((100, False), (20_000_000, True)):
        async with App("talk", Speaker, store=store(), max_event_bytes=limit) as app:
            if fits:
                await app.execute(Say(speaker="ann", text="x" * 10_000_000))
            else:
                with pytest.raises(PayloadTooLarge):
                    await app.execute(Say(speaker="ann", text="x" * 200))


@pytest.mark.parametrize("odd", [*WRONG, "unregistered"])
async def test_a_decision_that_yields_what_cannot_be_stored(app: App, odd: str) -> None:
    error = await refused(app, Say(speaker="ann", odd=odd), InvalidEvent)
    assert "cannot be stored" in str(error)


@pytest.mark.parametrize("odd", ["no event", "a class", "a command"])
async def test_a_decision_that_yields_what_is_no_event(app: App, odd: str) -> None:
    error = await refused(app, Say(speaker="ann", odd=odd), BrokenRule)
    assert "no event" in str(error)
