"""Makes a command with an idempotency key repeatable: one effect, and the same outcome each time."""

from __future__ import annotations

import hashlib
from collections.abc import Awaitable
from typing import Any

import msgspec

from everfold.app.middleware import Envelope, Next
from everfold.domain.reply import reply_type
from everfold.errors import InvalidMessage, InvalidName
from everfold.identifiers import check_text
from everfold.store.transact import Idempotency

__all__ = ["IdempotencyKeys"]

MAX_KEY = 255
_encode = msgspec.json.Encoder(order="deterministic").encode


class IdempotencyKeys:
    """Stores the outcome with the events, in one transaction. A refusal that recorded nothing is not stored:
    sent again, the command is decided again. The key belongs to the tenant that used it.
    """

    def __call__(self, envelope: Envelope, next: Next) -> Awaitable[Any]:
        """Prepare what ``transact`` stores and looks up."""
        if envelope.idempotency_key is not None:
            envelope.idempotency = Idempotency(
                _checked(envelope),
                _fingerprint(envelope),
                reply_type(type(envelope.message)),
                envelope.metadata.tenant,
            )
        return next(envelope)


def _checked(envelope: Envelope) -> str:
    key: object = envelope.idempotency_key
    if not isinstance(key, str):
        raise InvalidMessage(envelope.name, f"its idempotency key is text, and {key!r} is not.")
    try:
        return check_text(key, "an idempotency key", MAX_KEY)
    except InvalidName as error:
        raise InvalidMessage(envelope.name, str(error)) from error


def _fingerprint(envelope: Envelope) -> str:
    digest = hashlib.blake2b(envelope.name.encode(), digest_size=16)
    digest.update(_encode(envelope.message))
    return digest.hexdigest()
