"""Names and numbers that identify things: event ids (UUIDv7), stream names, positions and versions.

Used by every room. The rules for stream names are here once, for all engines and faces.
"""

from __future__ import annotations

import os
import re
import uuid
from collections.abc import Callable, Iterator

from everfold.errors import InvalidName

__all__ = [
    "IdSource",
    "Position",
    "Version",
    "category_of",
    "check_category",
    "check_key",
    "check_stream",
    "check_text",
    "is_event_id",
    "kebab",
    "key_of",
    "key_text",
    "snake",
    "stable_id",
    "stream_name",
]

MAX_KEY = 200
MAX_CATEGORY = 60
MAX_TEXT = 400
_KEY = re.compile(r"[A-Za-z0-9._~:@+=$,-]{1,200}", re.ASCII)
_CATEGORY = re.compile(r"[A-Za-z][A-Za-z0-9_.]{0,59}", re.ASCII)
_CONTROL = re.compile("[\x00-\x1f\x7f-\x9f\ud800-\udfff\u2028\u2029]")
_EVENT_ID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.ASCII)
_LOW_BITS = 62
_HIGHEST_LOW = (1 << _LOW_BITS) - 1
_VARIANT = 0b10 << _LOW_BITS
_STEPS = 512


class Position(int):
    """A place in the whole log, from 1. ``Position(0)`` is before the first record."""

    __slots__ = ()


class Version(int):
    """A place in one stream, from 1. ``Version(0)`` is the empty stream."""

    __slots__ = ()


class IdSource:
    """Makes event ids: UUID version 7 (RFC 9562), strictly increasing within one source.

    Time-ordered ids keep the unique index on ids append-only. Within a millisecond, or when the
    clock steps back, the random part counts upwards by a random step (RFC 9562, section 6.2, method 2).
    ``micros`` gives the time in microseconds since 1970 (``clock.micros``), ``entropy`` random bytes.
    """

    __slots__ = ("_entropy", "_low", "_micros", "_millis", "_prefix", "_steps")

    def __init__(self, micros: Callable[[], int], entropy: Callable[[int], bytes] = os.urandom) -> None:
        self._micros = micros
        self._entropy = entropy
        self._millis = -1
        self._prefix = ""
        self._low = 0
        self._steps: Iterator[int] = iter(())

    def next(self) -> str:
        """A new id as lower-case text with dashes, greater than all ids given before."""
        millis = self._micros() // 1000
        if millis > self._millis:
            self._begin(millis)
        else:
            try:
                self._low += 1 + self._steps.__next__()
            except StopIteration:
                # One system call for many steps.
                self._steps = iter(memoryview(self._entropy(4 * _STEPS)).cast("I"))
                self._low += 1 + next(self._steps)
            if self._low > _HIGHEST_LOW:
                self._begin(self._millis + 1)
        digits = hex(self._low | _VARIANT)
        return f"{self._prefix}{digits[2:6]}-{digits[6:]}"

    def _begin(self, millis: int) -> None:
        """Start a new millisecond with fresh random bits; the top one is clear, so that counting has room."""
        self._millis = millis
        high, self._low = divmod(int.from_bytes(self._entropy(10), "big") >> 7, 1 << _LOW_BITS)
        digits = f"{millis:012x}"
        self._prefix = f"{digits[:8]}-{digits[8:]}-7{high:03x}-"


def is_event_id(text: str) -> bool:
    """Whether the text is a UUID in canonical lower-case form, as every stored event id is."""
    return _EVENT_ID.fullmatch(text) is not None


def stable_id(namespace: uuid.UUID, name: str, *, place: int = 0) -> str:
    """The same id for the same name and place, every time: for imports that may be run twice.

    A UUID of version 8 (RFC 9562, 5.8): it begins with the namespace and the ``place`` (of a row in its source, up to
    2**32 - 1), so that what is imported in order lies in order in the index on ids; the rest is a hash of the name.
    """
    digest = uuid.uuid5(namespace, name).int
    high = (namespace.int >> 112) << 32 | place & 0xFFFFFFFF
    text = f"{high:012x}8{digest >> 64 & 0xFFF:03x}{_VARIANT | digest & _HIGHEST_LOW:016x}"
    return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"


def check_key(key: object) -> str:
    """The key itself when it may be part of a stream name; otherwise :class:`InvalidName`."""
    if isinstance(key, str) and _KEY.fullmatch(key):
        return key
    if not isinstance(key, str):
        raise InvalidName(f"A key is text, and this one is of type {type(key).__name__}. Convert it with str().")
    raise InvalidName(
        f"{key[:60]!r}{'...' if len(key) > 60 else ''} ({len(key):,} characters) cannot be a key: "
        f"a key has 1 to {MAX_KEY} characters out of A-Z a-z 0-9 . _ ~ : @ + = $ , - (no spaces, slashes or emoji)."
    )


def key_text(value: object) -> str:
    """A key as text: text as it is; numbers, UUIDs, dates and the like by ``str``. InvalidName for no key at all."""
    if isinstance(value, str):
        return value
    if value is None or isinstance(value, bool | float):
        raise InvalidName(f"{value!r} cannot be a key: give text, a whole number or a UUID.")
    return str(value)


def check_category(category: str) -> str:
    """The category itself when it may begin a stream name; otherwise :class:`InvalidName`."""
    if _CATEGORY.fullmatch(category):
        return category
    raise InvalidName(
        f"{category[:60]!r} cannot be a category: it begins with a letter and has up to {MAX_CATEGORY} "
        "characters out of A-Z a-z 0-9 _ . (no dash: the first dash of a stream name ends the category)."
    )


def check_stream(stream: str) -> str:
    """The stream name itself when it is ``category-key`` by the rules; otherwise :class:`InvalidName`."""
    category, dash, key = stream.partition("-")
    if not dash:
        raise InvalidName(f"{stream[:60]!r} is not a stream name: it has the form category-key, as in account-a1.")
    check_category(category)
    check_key(key)
    return stream


def check_text(text: str, what: str, limit: int = MAX_TEXT) -> str:
    """The text itself when it is 1 to ``limit`` characters without control characters (tags, names, keys)."""
    if 0 < len(text) <= limit and not _CONTROL.search(text):
        return text
    raise InvalidName(f"{text[:60]!r} cannot be {what}: 1 to {limit} characters without control characters.")


def stream_name(category: str, key: object) -> str:
    """The name of the stream of this category and key: ``account-a1``. The key is checked."""
    return f"{category}-{check_key(key)}"


def category_of(stream: str) -> str:
    """The category of a stream name: what stands before its first dash."""
    return stream.partition("-")[0]


def key_of(stream: str) -> str:
    """The key of a stream name: what stands after its first dash."""
    return stream.partition("-")[2]


def kebab(class_name: str) -> str:
    """``MoneyDeposited`` -> ``money-deposited``: the default name of events, commands and queries on disk."""
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", "-", class_name).lower().replace("_", "-")


def snake(class_name: str) -> str:
    """``ShoppingCart`` -> ``shopping_cart``: the default category of an aggregate (categories have no dash)."""
    return kebab(class_name).replace("-", "_")
