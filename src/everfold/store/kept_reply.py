"""Replies kept under idempotency keys: what is stored with a write, and the outcome it is turned back into.

Used by ``transact``. The events of a repeated command are read back from the log, where its write put them.
"""

from __future__ import annotations

from typing import Any

import msgspec

from everfold.errors import BrokenRule, CodecError, Rejected
from everfold.log.idempotency import StoredReply
from everfold.log.selection import Selection
from everfold.store.event_store import EventStore
from everfold.store.unit_of_work import Recorded

__all__ = ["keep_reply", "recall"]

_encode = msgspec.json.Encoder().encode


class KeptRefusal(msgspec.Struct):
    """A refusal that was recorded."""

    reason: str
    message: str
    facts: dict[str, Any]


class KeptReply(msgspec.Struct, omit_defaults=True):
    """The JSON that is stored."""

    stream: str | None = None
    """The stream the command was mainly about."""
    reply: msgspec.Raw = msgspec.Raw(b"null")
    rejected: KeptRefusal | None = None


_decode = msgspec.json.Decoder(KeptReply).decode


def keep_reply(reply: object, refusal: Rejected | None, *, stream: str | None, kind: Any) -> str:
    """The JSON to store. BrokenRule when the reply, of the declared type ``kind``, would not come back from it."""
    try:
        if refusal is not None:
            kept = KeptRefusal(refusal.reason, refusal.message, refusal.facts)
            return _encode(KeptReply(stream, rejected=kept)).decode()
        encoded = _encode(reply)
        msgspec.json.decode(encoded, type=kind)
    except (msgspec.MsgspecError, TypeError, ValueError, OverflowError, RecursionError) as error:
        raise BrokenRule(
            f"A reply of type {type(reply).__qualname__} cannot be kept for its idempotency key: {error}. Reply with "
            "what the command declares, as in Command[str], and what JSON can hold; so too for the facts of a refusal."
        ) from error
    return _encode(KeptReply(stream, msgspec.Raw(encoded))).decode()


async def recall(stored: StoredReply, events: EventStore, *, kind: Any) -> tuple[Any, Recorded]:
    """The reply and the outcome that were stored."""
    kept = _decode(stored.reply)
    refused, reply = kept.rejected, None
    try:
        if refused is None:
            reply = msgspec.json.decode(kept.reply, type=kind)
    except msgspec.ValidationError as error:
        raise CodecError(
            f"The reply kept under the idempotency key {stored.key!r} does not fit its type any more: {error}. "
            "Send the command with a new key, or give it the old reply type back."
        ) from error
    records = [record async for page in events.pages(after=stored.first - 1, until=stored.last) for record in page]
    return reply, Recorded(
        events=tuple([event for event, _ in events.codec.pairs(records)]),
        stream=kept.stream,
        version=await _version_at(stored.last, kept.stream, events),
        position=stored.last,
        refusal=Rejected(refused.reason, refused.message, **refused.facts) if refused else None,
    )


async def _version_at(position: int, stream: str | None, events: EventStore) -> int:
    if stream is None:
        return 0
    found = await events.engine.read(Selection(stream=stream), until=position, limit=1, backwards=True)
    return found[0].version if found else 0
