"""What watches a running app from outside: wrapped around its messages, its appends and what follows its log.

The core does not know who they are. ``app.instruments.add(...)`` before the app starts; telemetry does so.
"""

from __future__ import annotations

from collections.abc import Awaitable
from typing import Any, TypeVar

from everfold.app.middleware import Envelope, Next
from everfold.store.committer import Commit
from everfold.subscriptions.subscription import Consumer

__all__ = ["Instrument", "Instruments"]

I = TypeVar("I", bound="Instrument")  # noqa: E741 (the type variable of an instrument)


class Instrument:
    """Watches one app. Each method is one seam; what is not overridden is not wrapped, and costs nothing."""

    def message(self, envelope: Envelope, next: Next) -> Awaitable[Any]:
        """Around every command and query, outside of all middlewares: it also sees what those refuse."""
        return next(envelope)

    def commit(self, commit: Commit) -> Commit:
        """Around every append of this process, in the task that asked for it."""
        return commit

    def consumer(self, title: str, consumer: Consumer) -> Consumer:
        """Around what follows the log in this process: a projection (not an inline one), or a part of a consumer."""
        return consumer


class Instruments:
    """Those of one app; the first is outermost."""

    def __init__(self) -> None:
        self._all: list[Instrument] = []

    def add(self, instrument: Instrument) -> None:
        """Watch the app with it from its next start on."""
        self._all.append(instrument)

    def find(self, kind: type[I]) -> I | None:
        """The one of this kind, if there is one."""
        return next((each for each in self._all if isinstance(each, kind)), None)

    def middlewares(self) -> list[Any]:
        """Those that watch messages."""
        return [each.message for each in self._all if type(each).message is not Instrument.message]

    def commit(self, commit: Commit) -> Commit:
        """The same, watched."""
        for each in reversed(self._all):
            commit = each.commit(commit)
        return commit

    def consumer(self, title: str, consumer: Consumer) -> Consumer:
        """The same, watched."""
        for each in reversed(self._all):
            consumer = each.consumer(title, consumer)
        return consumer
