"""The root of all errors that everfold raises on purpose. Every other file of this room builds on it."""

from __future__ import annotations

from typing import ClassVar

__all__ = ["EverfoldError"]


class EverfoldError(Exception):
    """The root of all errors that everfold raises on purpose. Catch it to catch them all."""

    code: ClassVar[str] = "everfold-error"
