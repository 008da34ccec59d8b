"""Lists of values as SQL text: joined here, split by the server. Used for batches, which travel as one message.

Joining and splitting cost a fraction of what adapting each value does, and the text is sent by the simple protocol:
the server begins a message only when all of it has arrived.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from uuid import uuid4

__all__ = ["Unstorable", "json_text", "numbers", "texts"]

SEPARATOR = "\x1f"


class Unstorable(ValueError):
    """A text holds what PostgreSQL cannot store."""


def texts(values: Sequence[str]) -> str:
    """A ``text[]``. Raises Unstorable."""
    if values == [""]:
        return "ARRAY['']"
    separator, joined = SEPARATOR, SEPARATOR.join(values)
    if joined.count(SEPARATOR) != len(values) - 1:
        separator = f"{SEPARATOR}{uuid4().hex}"  # somebody uses control characters
        joined = separator.join(values)
    return f"string_to_array({_quoted(joined)},{_quoted(separator)})" if values else "'{}'::text[]"


def numbers(values: Iterable[int | None]) -> str:
    """An array of numbers, of the type that is expected there."""
    return f"'{{{','.join(map(str, values))}}}'"


def json_text(value: bytes) -> str:
    """A JSON document."""
    return _quoted(value.decode())


def _quoted(text: str) -> str:
    if "\0" in text:
        raise Unstorable("PostgreSQL cannot store the character NUL (\\x00) in a text")
    return "'" + text.replace("'", "''") + "'"
