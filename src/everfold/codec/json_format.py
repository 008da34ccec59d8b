"""Events as readable JSON: structs, dataclasses and attrs classes through msgspec, models through pydantic.

Whatever is encoded is decoded again at once, because an event that could not be read back would be found too late.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec

from everfold.codec.fidelity import read_back
from everfold.domain.shape import is_pydantic
from everfold.errors import InvalidEvent, PayloadTooLarge

__all__ = ["JsonFormat"]

_encode = msgspec.json.Encoder().encode


class JsonFormat:
    """Encodes and decodes the instances of one class."""

    def __init__(self, cls: type, name: str, *, max_bytes: int) -> None:
        self._name = name
        self._max_bytes = max_bytes
        self._encode: Callable[[Any], bytes] = _encode
        self.decode: Callable[[str | bytes], Any]
        """JSON text to an instance; raises msgspec.ValidationError or ValueError when it does not fit."""
        if is_pydantic(cls):
            model: Any = cls
            self._encode = lambda event: event.model_dump_json(warnings="error").encode()
            self.decode = model.model_validate_json
        else:
            self.decode = msgspec.json.Decoder(cls).decode
        self._read_back = read_back(cls, self.decode)

    def encode(self, event: object) -> tuple[str, Any]:
        """JSON text of the event, and it as read back; InvalidEvent or PayloadTooLarge if it cannot be stored."""
        try:
            data = self._encode(event)
            if len(data) <= self._max_bytes:
                return data.decode(), self._read_back(event, data)
        except Exception as error:
            raise InvalidEvent(self._name, f"{error}. Mend the decision that yields it.") from error
        raise PayloadTooLarge(self._name, len(data), self._max_bytes)
