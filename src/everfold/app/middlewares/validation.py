"""Refuses messages whose fields do not fit their types and limits, before anything is loaded."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import msgspec

from everfold.app.middleware import Envelope, Next
from everfold.codec.fidelity import read_back
from everfold.errors import InvalidMessage

__all__ = ["Validation"]

_encode = msgspec.json.Encoder().encode
_ERRORS = (msgspec.MsgspecError, TypeError, ValueError, OverflowError, RecursionError)


class Validation:
    """Python does not check types when a message is made in code: ``Deposit(amount="ten")``. This does.

    Messages are checked by their own annotations (``Annotated[int, Meta(gt=0)]``); InvalidMessage names the field.
    NaN, infinities and datetimes without a time zone are refused everywhere.
    """

    def __init__(self) -> None:
        self._checks: dict[Any, Callable[[Any], None]] = {}

    def __call__(self, envelope: Envelope, next: Next) -> Awaitable[Any]:
        """Check, then go on with the message as it was given."""
        message = envelope.message
        kind: Any = message.__class__
        check = self._checks.get(kind)
        if check is None:
            check = self._checks[kind] = _check_of(kind)
        try:
            check(message)
        except _ERRORS as error:
            raise InvalidMessage(envelope.name, str(error)) from error
        return next(envelope)


def _check_of(kind: Any) -> Callable[[Any], None]:
    read = read_back(kind, msgspec.json.Decoder(kind).decode)
    return lambda message: read(message, _encode(message))
