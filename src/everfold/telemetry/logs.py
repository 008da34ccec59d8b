"""The log lines of a service, for people or as JSON, each with what it belongs to: ``everfold run --log json``.

The settings ``log_format`` and ``log_level`` say how and what. A library does not decide about logging: only a program
calls :func:`configure_logging`.
"""

from __future__ import annotations

import logging
from datetime import UTC, datetime
from typing import Any, TextIO

import msgspec

from everfold.app.settings import Settings
from everfold.codec.metadata import current_metadata

__all__ = ["JsonLines", "TextLines", "configure_logging"]

KNOWN = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}
"""What every record has; the rest are facts that were given with it (``extra``)."""
CORRELATION = "correlation_id"


def configure_logging(settings: Settings, stream: TextIO | None = None) -> None:
    """Have everfold's log, and the warnings of others, go to ``stream`` (stderr), instead of what was configured.

    Nothing is done where the setting ``log_format`` is not given: then the application's own code decides.
    """
    if settings.log_format is None:
        return
    handler = logging.StreamHandler(stream)
    handler.setFormatter(JsonLines() if settings.log_format == "json" else TextLines())
    logging.basicConfig(handlers=[handler], level=logging.WARNING, force=True)
    logging.getLogger("everfold").setLevel(settings.log_level.upper())


class JsonLines(logging.Formatter):
    """An object for each record: ``time``, ``level``, ``logger``, ``message``, the facts, and ``error``."""

    def format(self, record: logging.LogRecord) -> str:
        """One line."""
        line: dict[str, Any] = {
            "time": _time(record),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
        }
        line |= {name: value for name, value in _facts(record).items() if name not in line}
        if record.exc_info:
            line["error"] = self.formatException(record.exc_info)
        return _encode(line)


class TextLines(logging.Formatter):
    """For people: time, level, logger, message, and the facts that the message does not have."""

    def format(self, record: logging.LogRecord) -> str:
        """One line, or with an error several."""
        message = record.getMessage()
        facts = [f"{name}={value}" for name, value in _facts(record).items() if str(value) not in message]
        text = "  ".join([f"{_time(record)}  {record.levelname:<7} {record.name}  {message}", *facts])
        line = _printable(text)
        return f"{line}\n{self.formatException(record.exc_info)}" if record.exc_info else line


def _facts(record: logging.LogRecord) -> dict[str, Any]:
    """What was given with it, and what it belongs to."""
    facts = {name: value for name, value in vars(record).items() if name not in KNOWN and value is not None}
    correlation = current_metadata().correlation_id
    if correlation is not None:
        facts.setdefault(CORRELATION, correlation)
    return facts


def _printable(text: str) -> str:
    """Without line ends and what steers a terminal: nobody writes lines of their own into the log."""
    return text if text.isprintable() else "".join(each if each.isprintable() else _escaped(each) for each in text)


def _escaped(character: str) -> str:
    return character.encode("unicode_escape").decode("ascii")


def _time(record: logging.LogRecord) -> str:
    moment = datetime.fromtimestamp(record.created, UTC)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _encode(line: dict[str, Any]) -> str:
    try:
        return msgspec.json.encode(line, enc_hook=str).decode()
    except Exception:  # something in it that JSON cannot say: a lone surrogate, a huge number
        plain = {name: str(value).encode("utf-8", "backslashreplace").decode() for name, value in line.items()}
        return msgspec.json.encode(plain).decode()
