"""Ambient metadata: who acts and on whose behalf, carried from task to task by a context variable.

The command bus sets it for a command; what is recorded meanwhile carries it. Users add to it with
``with metadata(actor="ann"): ...``.
"""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager
from contextvars import ContextVar, Token

import msgspec

from everfold.codec.fidelity import thorough_check
from everfold.errors import CodecError
from everfold.log.record import Metadata

__all__ = ["NO_METADATA", "current_metadata", "encode_metadata", "metadata", "reset_metadata", "set_metadata"]

NO_METADATA = Metadata()
_current: ContextVar[Metadata] = ContextVar("everfold-metadata", default=NO_METADATA)
_encoder = msgspec.json.Encoder()
_decode = msgspec.json.Decoder(Metadata).decode


def current_metadata() -> Metadata:
    """What records written now would carry."""
    return _current.get()


def set_metadata(value: Metadata) -> Token[Metadata]:
    """Replace the metadata of this task and the tasks it starts; undo with :func:`reset_metadata`."""
    return _current.set(value)


def reset_metadata(token: Token[Metadata]) -> None:
    """Undo :func:`set_metadata`."""
    _current.reset(token)


@contextmanager
def metadata(
    *,
    actor: str | None = None,
    tenant: str | None = None,
    correlation_id: str | None = None,
    causation_id: str | None = None,
    traceparent: str | None = None,
    **user: object,
) -> Generator[Metadata, None, None]:
    """Within the block, what is recorded carries these; what is not given stays as it was around the block.

    ``user``: fields of the application's own (JSON values). CodecError when one cannot be stored.
    """
    outer = _current.get()
    given = {
        "actor": actor,
        "tenant": tenant,
        "correlation_id": correlation_id,
        "causation_id": causation_id,
        "traceparent": traceparent,
    }
    changes: dict[str, object] = {name: value for name, value in given.items() if value is not None}
    if user:
        changes["user"] = outer.user | user
    inner = msgspec.structs.replace(outer, **changes)
    _check_storable(inner)
    token = _current.set(inner)
    try:
        yield inner
    finally:
        _current.reset(token)


def _check_storable(value: Metadata) -> None:
    try:
        thorough_check(value, _decode(_encoder.encode(value)))
    except Exception as error:
        raise CodecError(
            f"The metadata cannot be stored: {error}. Give text, numbers and other JSON values."
        ) from error


def encode_metadata(value: Metadata) -> str:
    """As JSON text for a record."""
    return _encoder.encode(value).decode()
