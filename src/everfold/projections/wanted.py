"""How fresh an answer has to be. Made by the app from ``after=``, carried in the envelope, honoured by answers."""

from __future__ import annotations

import msgspec

__all__ = ["ANY", "Wanted"]


class Wanted(msgspec.Struct, frozen=True):
    """How fresh an answer has to be."""

    position: int = 0
    """It must know everything up to here."""
    stream: str | None = None
    """A stream whose last events it must know: not one that waits behind an event that was set aside."""
    timeout: float = 5.0
    """Seconds to wait at most."""


ANY = Wanted()
