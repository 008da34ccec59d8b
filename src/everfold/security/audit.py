"""The audit: every operator verb as events in a stream of the log, durable before the verb does anything.

Used by the faces (HTTP, command line). It is read as any stream is: ``everfold streams show everfold_audit-operators``.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager

import msgspec

from everfold.app.application import App
from everfold.app.operator_actions import AUDIT_STREAM, OPERATOR_ACTIONS, OperatorActionEnded, OperatorActionStarted
from everfold.clock import Clock
from everfold.codec.metadata import current_metadata, reset_metadata, set_metadata
from everfold.codec.pipeline import Codec
from everfold.errors import EverfoldError
from everfold.identifiers import IdSource
from everfold.log.engine import Engine
from everfold.store.committer import Committer
from everfold.store.event_store import EventStore

__all__ = ["Action", "Audit", "audit_of", "audit_on"]

Facts = Mapping[str, str | int | None]


class Action(msgspec.Struct):
    """An action under way. Set ``after`` to have it recorded how the target is then."""

    after: Facts = {}


class Audit:
    """Records the actions of one actor."""

    def __init__(self, store: EventStore, *, actor: str, by: str) -> None:
        """``by``: which face acts: ``http``, ``cli``."""
        self._store = store
        self.actor = actor
        self._by = by

    @asynccontextmanager
    async def action(
        self, action: str, target: str, *, reason: str = "", facts: Facts | None = None, before: Facts | None = None
    ) -> AsyncGenerator[Action]:
        """Record that the action starts, and when the block ends, what became of it. If it cannot be recorded that it
        starts, it does not.
        """
        started = await self._append(
            OperatorActionStarted(
                action=action,
                target=target,
                reason=reason,
                facts=dict(facts or {}),
                before=dict(before or {}),
                by=self._by,
            )
        )
        under_way = Action()
        try:
            yield under_way
        except BaseException as error:
            outcome = error.code if isinstance(error, EverfoldError) else type(error).__name__
            if isinstance(error, Exception):
                await self._append(_ended(action, target, started, outcome, {}))
            raise
        await self._append(_ended(action, target, started, "done", under_way.after))

    async def _append(self, event: object) -> int:
        """Append it in the name of the actor; the version it has."""
        metadata = msgspec.structs.replace(current_metadata(), actor=self.actor or None, command=None)
        token = set_metadata(metadata)
        try:
            return (await self._store.append(AUDIT_STREAM, event)).versions[0]
        finally:
            reset_metadata(token)


def _ended(action: str, target: str, started: int, outcome: str, after: Facts) -> OperatorActionEnded:
    return OperatorActionEnded(action=action, target=target, started=started, outcome=outcome, after=dict(after))


def audit_of(app: App, *, actor: str, by: str) -> Audit:
    """The audit of a running app."""
    return Audit(app.store, actor=actor, by=by)


def audit_on(engine: Engine, clock: Clock, *, actor: str, by: str) -> Audit:
    """The audit of a store that is open, for tools that run no app."""
    codec = Codec(OPERATOR_ACTIONS, new_id=IdSource(clock.micros).next)
    return Audit(EventStore(engine, codec, Committer(engine)), actor=actor, by=by)
