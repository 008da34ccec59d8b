"""Idempotency: a command retried with the same key has one effect and gets the same reply."""

from __future__ import annotations

from typing import Protocol

import msgspec

__all__ = ["Repeatable", "Replies", "StoredReply"]


class Repeatable(msgspec.Struct, frozen=True, gc=False):
    """An idempotency key and the reply to store with it, in the transaction of the write."""

    key: str
    fingerprint: str
    """Identifies the command, so that the key cannot be used for another one."""
    reply: str
    """The reply as JSON text."""


class StoredReply(msgspec.Struct, frozen=True, gc=False):
    """What was stored under an idempotency key, with the positions its write reached."""

    key: str
    fingerprint: str
    reply: str
    first: int
    last: int
    recorded: int


class Replies(Protocol):
    """What an engine keeps of idempotent writes. Replies are written by ``Engine.append`` only."""

    async def reply(self, key: str) -> StoredReply | None:
        """The committed reply of this key, or None. Never one of an uncommitted write."""
        ...
