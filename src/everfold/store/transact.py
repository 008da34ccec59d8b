"""The heart: load, decide, append, and on a conflict load and decide again. One function; everything else serves it."""

from __future__ import annotations

import random
from collections.abc import Awaitable, Callable, Iterator
from typing import Any, Generic, TypeVar

import msgspec

from everfold.errors import Conflict, IdempotencyKeyReused, Rejected
from everfold.log.idempotency import Repeatable, StoredReply
from everfold.log.write import Appended, Conflicted, Outcome, Repeated
from everfold.store.boundary import Tools
from everfold.store.event_store import conflict_of
from everfold.store.kept_reply import keep_reply, recall
from everfold.store.unit_of_work import Recorded, UnitOfWork

__all__ = ["DEFAULT_RETRIES", "Idempotency", "RetryPolicy", "Transacted", "transact"]

T = TypeVar("T")
Work = Callable[[UnitOfWork], Awaitable[T]]


class RetryPolicy(msgspec.Struct, frozen=True, kw_only=True):
    """How often to decide again after a conflict, and how long to wait before, in seconds."""

    attempts: int = 30
    first_pause: float = 0.001
    longest_pause: float = 0.25

    def pauses(self, rng: random.Random) -> Iterator[float]:
        """The pause before each further attempt: doubling, and drawn at random so that rivals part."""
        for attempt in range(self.attempts - 1):
            yield rng.uniform(0.0, min(self.longest_pause, self.first_pause * 2**attempt))


DEFAULT_RETRIES = RetryPolicy()


class Idempotency(msgspec.Struct, frozen=True):
    """The key of a command that may be sent again."""

    key: str
    fingerprint: str
    """Of the command, so that the key cannot be used for another one."""
    reply_type: Any
    """What the command declares to reply with."""
    tenant: str | None = None
    """Whose key it is."""

    @property
    def stored_key(self) -> str:
        """The key as it is stored: that of one tenant is none of another."""
        return f"{self.tenant}\x1f{self.key}" if self.tenant else self.key

    def repeatable(self, reply: object, refusal: Rejected | None, stream: str | None) -> Repeatable:
        """What to store with the write."""
        kept = keep_reply(reply, refusal, stream=stream, kind=self.reply_type)
        return Repeatable(self.stored_key, self.fingerprint, kept)

    async def recall(self, stored: StoredReply, tools: Tools) -> Transacted[Any]:
        """The outcome that was stored, if it belongs to this very command."""
        if stored.fingerprint != self.fingerprint:
            raise IdempotencyKeyReused(self.key)
        reply, recorded = await recall(stored, tools.events, kind=self.reply_type)
        return Transacted(reply, recorded, True)


class Transacted(msgspec.Struct, Generic[T], frozen=True, gc=False):
    """The outcome of a command: the reply, and what was recorded."""

    reply: T | None
    recorded: Recorded
    is_repeated: bool = False
    """It had this outcome before, under its idempotency key."""


async def transact(
    work: Work[T],
    *,
    tools: Tools,
    retries: RetryPolicy = DEFAULT_RETRIES,
    rng: random.Random,
    idempotency: Idempotency | None = None,
    expected: int | None = None,
) -> Transacted[T]:
    """Run ``work`` (which loads and decides) on a unit of work and append what it recorded, atomically.

    On a conflict everything is undone and done again, up to ``retries.attempts`` times, then Conflict is
    raised. ``expected``: the version that its (first) stream must have; with another one it is not tried again.
    Raises what the work raises, with nothing stored; OutcomeUnknown when the store cannot tell.
    """
    if idempotency and (repeated := await _repeated(idempotency, tools)):
        return repeated
    pauses: Iterator[float] | None = None
    while True:
        unit = UnitOfWork(tools, expected=expected)
        try:
            try:
                reply, refusal = await work(unit), None
            except Exception as error:
                reply, refusal = None, unit.refusal
                if error is not refusal:
                    # It may have failed by its own effect: the same request went ahead meanwhile.
                    if idempotency and (repeated := await _repeated(idempotency, tools)):
                        return repeated
                    raise
            if not unit.has_events and idempotency is None:
                return Transacted(reply, unit.skipped())
            repeatable = idempotency.repeatable(reply, refusal, unit.stream) if idempotency else None
            outcome = await tools.events.committer.commit(unit.write(repeatable))
            if isinstance(outcome, Appended):
                return Transacted(reply, unit.accepted(outcome, refusal))
            unit.refused()
        finally:
            unit.leave()
        if isinstance(outcome, Repeated) and idempotency:
            return await idempotency.recall(outcome.reply, tools)
        pauses = pauses or retries.pauses(rng)
        pause = next(pauses, None)
        if pause is None:
            raise _given_up(outcome)
        await tools.clock.sleep(pause)


async def _repeated(idempotency: Idempotency, tools: Tools) -> Transacted[Any] | None:
    stored = await tools.events.engine.reply(idempotency.stored_key)
    return await idempotency.recall(stored, tools) if stored else None


def _given_up(outcome: Outcome) -> Conflict:
    return conflict_of(outcome) if isinstance(outcome, Conflicted) else Conflict("The append was refused.")
