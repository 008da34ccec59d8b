"""Places in the log as users write them: a position, a version, a moment. Parameter types of the commands."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

import click

from everfold.identifiers import Position, Version

if TYPE_CHECKING:
    from everfold.store.event_store import EventStore

__all__ = ["LOG_PLACE", "STATE_PLACE", "resolve_place"]


class LogPlace(click.ParamType[int | datetime]):
    """A position in the log, or a moment."""

    name = "place"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> int | datetime:
        """``120``, or ``2030-01-31T12:00Z``."""
        if isinstance(value, int | datetime):
            return value
        text = str(value)
        if text.isascii() and text.isdigit():
            return int(text)
        return _moment(self, text, param, ctx) or self.fail(
            f"{text!r} is no position and no date and time.", param, ctx
        )


class StatePlace(click.ParamType["Version | Position | datetime | str"]):
    """A version of the stream, a position in the log, or a moment."""

    name = "place"

    def convert(
        self, value: object, param: click.Parameter | None, ctx: click.Context | None
    ) -> Version | Position | datetime | str:
        """``3``, ``@120``, ``2030-01-31T12:00Z``, or ``now``."""
        text = str(value)
        digits = text.removeprefix("@")
        if text == "now":
            return text
        if digits.isascii() and digits.isdigit():
            return Position(digits) if text.startswith("@") else Version(digits)
        found = _moment(self, text, param, ctx)
        if found is None:
            self.fail(f"{text!r} is no VERSION, no @POSITION, no date and time, and not 'now'.", param, ctx)
        return found


def _moment(
    kind: LogPlace | StatePlace, text: str, param: click.Parameter | None, ctx: click.Context | None
) -> datetime | None:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return None
    if moment.tzinfo is None:
        kind.fail(f"{text!r} has no time zone. Write {text}Z for UTC, or {text}+02:00.", param, ctx)
    return moment


LOG_PLACE = LogPlace()
STATE_PLACE = StatePlace()


async def resolve_place(store: EventStore, place: int | datetime | None) -> int | None:
    """The position; for a moment, the last position recorded until then."""
    return int(await store.position_at(place)) if isinstance(place, datetime) else place
