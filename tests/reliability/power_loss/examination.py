"""Examines what a power cut left: opens the store, judges its content, and has it go on where it stopped."""

import sqlite3
from pathlib import Path

from everfold.engines.sqlite.store_file import StoreFile
from everfold.errors import EverfoldError
from everfold.log.record import NewRecord
from everfold.log.write import Appended, Repeated, StreamAppend, Write
from tests.reliability.power_loss.explorer import State
from tests.reliability.power_loss.history import History
from tests.reliability.power_loss.recovery import content_of, integrity_of, opened, opened_wholly, put
from tests.reliability.power_loss.verdict import Kind, Violation, verdict

__all__ = ["examined"]

FRESH = Write(appends=(StreamAppend("fresh-1", (NewRecord("made", 1, "fresh", "{}"),)),))


def examined(state: State, history: History, folder: Path) -> list[Violation]:
    """What is wrong with the store after this cut. The simplest cuts are examined with the whole engine."""
    path = str(folder / "store.db")
    put(state.images, path)
    try:
        if state.number > 1:
            with opened(path) as connection:
                return _judged(connection, state, history)
        with opened_wholly(path) as file:
            return _judged(file.readers[0], state, history) or _resumed(file, state, history)
    except (EverfoldError, sqlite3.Error) as error:
        return [Violation(Kind.UNOPENED, f"{type(error).__name__}: {error}")]


def _judged(connection: sqlite3.Connection, state: State, history: History) -> list[Violation]:
    damages = [Violation(Kind.DAMAGED, damage) for damage in integrity_of(connection)]
    content = content_of(connection, history)
    return damages + verdict(content, history, acknowledged=state.acknowledged, started=state.started)


def _resumed(file: StoreFile, state: State, history: History) -> list[Violation]:
    """Retry the write that was under way, as its caller would, and append another one behind it."""
    before = content_of(file.readers[0], history)
    retried = [write for write in history.writes[: state.started][-1:] if write.repeatable]
    outcomes = file.writer.append([*retried, FRESH])
    after = content_of(file.readers[0], history)
    expected = before
    for write, outcome in zip([*retried, FRESH], outcomes, strict=True):
        expected = expected.after(write, outcome)
    is_stored = any(write.repeatable and write.repeatable.key in before.replies for write in retried)
    kinds = [Repeated if is_stored else Appended for _ in retried] + [Appended]
    if after == expected and [type(outcome) for outcome in outcomes] == kinds:
        return []
    return [Violation(Kind.STUCK, f"{outcomes} behind position {before.head}")]
