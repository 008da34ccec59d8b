"""Answers that are given again until the tables change. Used by ``answers`` for those marked ``cached=True``."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from typing import Any, TypeVar

import msgspec

from everfold.domain.reply import reply_type

__all__ = ["AnswerCache"]

T = TypeVar("T")


class AnswerCache:
    """The last answers, each with the version of the tables that it was made from.

    They are kept encoded, so that nobody who gets one can change what the next one gets. Used by several threads:
    the worst that a race can do is to make an answer twice.
    """

    def __init__(self, size: int) -> None:
        self._size = size
        self._kept: OrderedDict[object, tuple[object, bytes]] = OrderedDict()
        self._decoders: dict[type, msgspec.msgpack.Decoder[Any]] = {}

    def get(self, query: Any, version: object, make: Callable[[], Any]) -> Any:
        """The answer to the query at this version of the tables: kept, or made now."""
        kind = query.__class__
        key = (kind, msgspec.msgpack.encode(query))
        kept = self._kept.get(key)
        if kept is not None and kept[0] == version:
            return self._decoder(kind).decode(kept[1])
        made = make()
        packed = self._packed(kind, made)
        if packed is None:
            return made
        self._kept[key] = (version, packed)
        while len(self._kept) > self._size:
            try:
                self._kept.popitem(last=False)
            except KeyError:
                break
        return made

    def _packed(self, query: type, made: Any) -> bytes | None:
        """The answer encoded; None: the reply type of the query would not give it back as it is."""
        try:
            packed = msgspec.msgpack.encode(made)
            return packed if self._decoder(query).decode(packed) == made else None
        except (TypeError, ValueError, msgspec.MsgspecError):
            return None

    def _decoder(self, query: type) -> msgspec.msgpack.Decoder[Any]:
        decoder = self._decoders.get(query)
        if decoder is None:
            decoder = self._decoders[query] = msgspec.msgpack.Decoder(reply_type(query))
        return decoder
