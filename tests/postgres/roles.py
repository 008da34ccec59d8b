"""What the forked processes of these tests do: append to a log, follow it, change its schema."""

import asyncio
import os
import signal
import time
from collections.abc import Callable, Sequence
from typing import Any

from everfold.engines.postgres import schema, transactions
from everfold.engines.postgres.engine import PostgresEngine
from everfold.errors import EverfoldError, OutcomeUnknown, StoreError
from everfold.log.record import Record
from everfold.log.selection import EVERYTHING
from everfold.log.write import Appended, Conflicted, Outcome, Repeated, Write
from everfold.subscriptions.follow import follow
from tests.postgres.author import Author, again
from tests.postgres.journal import Journal, mark
from tests.reliability.read_side.phases import replace, say
from tests.reliability.read_side.roles import stop_asked_for

__all__ = ["ROLES", "RowPerRecord", "appended"]

PAGE = 40


class RowPerRecord:
    """A hook with several round trips in each append. Halts within one of them when it was asked to."""

    def __init__(self) -> None:
        self.is_to_halt = False
        self._connection: Any = None

    def begin(self, connection: Any, **_: Any) -> None:
        """The table is there before anything is stored."""
        self._connection = connection
        connection.execute("CREATE TABLE IF NOT EXISTS applied (position bigint PRIMARY KEY)")

    def apply(self, records: Sequence[Record]) -> None:
        """One statement for each."""
        for record in records:
            self._connection.execute("INSERT INTO applied VALUES (%s)", [record.position])
        if self.is_to_halt:
            self.is_to_halt = False
            say("halting")
            os.kill(os.getpid(), signal.SIGSTOP)
            time.sleep(0.05)  # it may stop another thread first

    def flush(self) -> None:
        """Nothing is kept back."""

    def end(self, *, is_committed: bool) -> None:
        """Nothing to do."""


async def appended(
    engine: PostgresEngine, journal: Journal, writes: Sequence[Write], tries: int
) -> list[Outcome | None]:
    """Append, and write down what was told of it; None: it failed or is unknown."""
    for write in writes:
        journal.write("begun", *_facts(write), tries)
    keys = [write.repeatable.key for write in writes if write.repeatable]
    try:
        outcomes = await engine.append(writes)
    except OutcomeUnknown as error:
        for key in keys:
            journal.write("unknown", key, tries, str(error))
        return [None] * len(writes)
    except EverfoldError as error:
        for key in keys:
            journal.write("failed", key, tries, type(error).__name__, str(error))
        return [None] * len(writes)
    for key, outcome in zip(keys, outcomes, strict=True):
        _note(journal, key, tries, outcome)
    return list(outcomes)


def _facts(write: Write) -> tuple[object, ...]:
    assert write.repeatable
    parts = {part.stream: len(part.records) for part in write.appends}
    expected = {part.stream: part.expected for part in write.appends if part.expected is not None}
    tag, after = (write.condition.selection.tags[0], write.condition.after) if write.condition else ("", 0)
    return write.repeatable.key, parts, expected, tag, after


def _note(journal: Journal, key: str, tries: int, outcome: Outcome) -> None:
    if isinstance(outcome, Appended):
        journal.write("stored", key, tries, outcome.first, outcome.last)
    elif isinstance(outcome, Repeated):
        journal.write("repeated", key, tries, outcome.reply.first, outcome.reply.last)
    elif isinstance(outcome, Conflicted):
        journal.write("conflict", key, tries, outcome.reason)
    else:
        journal.write("failed", key, tries, type(outcome.error).__name__, str(outcome.error))


async def _write_on(engine: PostgresEngine, journal: Journal, author: Author, stop: asyncio.Event, rounds: int) -> None:
    while not stop.is_set() and rounds:
        rounds -= 1
        try:
            writes = await author.batch()
        except StoreError as error:
            journal.write("unread", str(error))
            continue
        outcomes = await appended(engine, journal, writes, 1)
        for write, outcome in zip(writes, outcomes, strict=True):
            author.learn(write, outcome or await _resolved(engine, journal, write))


async def _resolved(engine: PostgresEngine, journal: Journal, write: Write) -> Outcome:
    """What became of it in the end, by the same key."""
    tries = 2
    while True:
        (outcome,) = await appended(engine, journal, [again(write, tries=tries)], tries)
        if outcome:
            return outcome
        tries += 1


async def _write(store: str, journal: str, name: str, *, tasks: int, rounds: int, hooked: bool) -> None:
    engine = PostgresEngine(store, readers=2)
    hook = RowPerRecord()
    if hooked:
        engine.hook(hook)
    await engine.open()
    stop = stop_asked_for()
    asyncio.get_running_loop().add_signal_handler(signal.SIGUSR1, setattr, hook, "is_to_halt", True)
    say("ready")
    authors = [Author(engine, f"{name}.{number}") for number in range(tasks)]
    written = Journal(journal, name)
    await asyncio.gather(*(_write_on(engine, written, author, stop, rounds) for author in authors))
    await engine.close()
    say("done")


def write(
    store: str,
    journal: str,
    name: str,
    *,
    tasks: int = 3,
    rounds: int = -1,
    hooked: bool = False,
    silence: float = 0.0,
) -> None:
    """Append until asked to stop, or so many times. ``silence``: seconds until the server ends a stalled append."""
    if silence:
        replace(transactions, "SILENCE_SECONDS", silence)
    asyncio.run(_write(store, journal, name, tasks=tasks, rounds=rounds, hooked=hooked))


async def _follow(store: str, journal: str, name: str) -> None:
    engine = PostgresEngine(store, readers=1)
    written, position = Journal(journal, name), 0
    await engine.open()
    say("ready")
    while True:
        try:
            async for span in follow(engine, EVERYTHING, after=position, ends_in_merge=lambda _: False, page=PAGE):
                if span.records:
                    written.write("seen", [mark(record) for record in span.records])
                position = span.position
        except StoreError as error:
            written.write("unread", str(error))
            await asyncio.sleep(0.01)


def read_on(store: str, journal: str, name: str) -> None:
    """Follow the log until killed."""
    asyncio.run(_follow(store, journal, name))


async def _open(store: str) -> None:
    engine = PostgresEngine(store, readers=1)
    say("ready")
    try:
        await engine.open()
        say("opened", await engine.wait(-1))
        await engine.close()
    except StoreError as error:
        say("refused", type(error).__name__, str(error))


def just_open(store: str, *, upgrade: str = "") -> None:
    """Open the store and close it again, as a program that knows one more upgrade does."""
    if upgrade:
        replace(schema, "UPGRADES", [*schema.UPGRADES, upgrade])
    asyncio.run(_open(store))


ROLES: dict[str, Callable[..., None]] = {"write": write, "follow": read_on, "open": just_open}
