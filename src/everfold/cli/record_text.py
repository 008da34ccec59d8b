"""Records for people and for programs: a line, a page, a JSON object. Used by every command that shows records."""

from __future__ import annotations

import os
import shutil
import sys
from datetime import datetime
from typing import TYPE_CHECKING

import click
import msgspec

from everfold.cli.output import printable
from everfold.log.record_json import RecordJson, record_json

if TYPE_CHECKING:
    from everfold.log.record import Record

__all__ = ["RecordJson", "RecordLines", "record_json", "record_page", "time_text"]


class RecordLines:
    """One line per record, cut to the width of the terminal when there is one."""

    def __init__(self) -> None:
        is_terminal = sys.stdout.isatty()
        self._width = shutil.get_terminal_size().columns if is_terminal else None
        self._is_coloured = is_terminal and not os.environ.get("NO_COLOR")

    def line(self, record: Record) -> str:
        """Position, time, stream and version, type, data."""
        place = f"{record.position:>8}  {time_text(record.time)}  "
        stream, type = printable(f"{record.stream}@{record.version}"), printable(record.type)
        data = printable(" ".join(record.data.split("\n")))
        if self._width:
            room = self._width - len(place) - len(stream) - len(type) - 4
            data = data if len(data) <= room else data[: max(room - 3, 0)] + "..."
        if self._is_coloured:
            place, stream = click.style(place, dim=True), click.style(stream, fg="cyan")
            type = click.style(type, bold=True)
        return f"{place}{stream}  {type}  {data}"


def record_page(record: Record) -> str:
    """Everything about a record, on several lines."""
    facts = {
        "position": str(record.position),
        "stream": f"{record.stream} (version {record.version})",
        "type": f"{record.type} (schema version {record.schema_version})",
        "id": record.id,
        "recorded": time_text(record.time),
        "tags": ", ".join(record.tags) or "none",
    }
    lines = [f"{click.style(f'{name:<10}', dim=True)}{printable(value)}" for name, value in facts.items()]
    for name, text in (("data", record.data), ("metadata", record.metadata_json)):
        lines += [click.style(name, dim=True), _indented(text)]
    return "\n".join(lines)


def _indented(text: str) -> str:
    try:
        text = msgspec.json.format(text, indent=2)
    except msgspec.MsgspecError:
        text = f"(damaged, not JSON) {text}"
    return "\n".join(f"  {printable(line)}" for line in text.split("\n"))


def time_text(moment: datetime) -> str:
    """UTC, to the millisecond: ``2030-01-31 12:00:00.000Z``."""
    return f"{moment:%Y-%m-%d %H:%M:%S}.{moment.microsecond // 1000:03d}Z"
