"""Logs every message with its outcome, structured: through structlog where it is configured, else the stdlib."""

from __future__ import annotations

import logging
import sys
import time
from collections.abc import Callable
from typing import Any, Protocol

from everfold.app.middleware import Envelope, Next
from everfold.errors import (
    Conflict,
    EverfoldError,
    IdempotencyKeyReused,
    InvalidMessage,
    InvalidName,
    NotAuthorized,
    NotFound,
    Rejected,
)

__all__ = ["Logging", "StructuredLogger"]

LOGGER = "everfold.messages"
ANSWERS = (
    Rejected,
    InvalidMessage,
    InvalidName,
    NotFound,
    NotAuthorized,
    Conflict,
    IdempotencyKeyReused,
)
"""Errors that are answers to the sender; all others are failures of the application or its store."""


class StructuredLogger(Protocol):
    """What ``structlog.get_logger()`` gives."""

    def log(self, level: int, event: str, **facts: Any) -> Any:
        """Log the event with its facts as keys."""
        ...


class Logging:
    """One line per message: name, outcome, duration, ids. Never its fields: they may be secret.

    Accepted and refused messages are logged at INFO, failures at ERROR, with the traceback unless the error is
    everfold's own. ``logger``: a stdlib logger, which gets the facts as ``extra``, or a structlog logger, which gets
    them as keys. By default structlog's once ``structlog.configure`` was called, else ``everfold.messages`` of the
    stdlib; to see that: ``logging.basicConfig(level=logging.INFO)``.
    """

    def __init__(self, logger: logging.Logger | StructuredLogger | None = None) -> None:
        chosen = logger or _configured_structlog() or logging.getLogger(LOGGER)
        self._is_enabled: Callable[[int], bool] = lambda level: True
        if isinstance(chosen, logging.Logger):
            self._is_enabled = chosen.isEnabledFor
            self._emit = _to_stdlib(chosen)
        else:
            self._emit = chosen.log

    async def __call__(self, envelope: Envelope, next: Next) -> Any:
        """Handle, then log."""
        started = time.perf_counter()
        try:
            result = await next(envelope)
        except ANSWERS as error:
            facts = {"reason": error.reason} if isinstance(error, Rejected) else {}
            self._say(logging.INFO, envelope, started, error.code, **facts)
            raise
        except EverfoldError as error:
            self._say(logging.ERROR, envelope, started, error.code, problem=str(error))
            raise
        except Exception:
            self._say(logging.ERROR, envelope, started, "error", exc_info=True)
            raise
        self._say(logging.INFO, envelope, started, "done")
        return result

    def _say(self, level: int, envelope: Envelope, started: float, outcome: str, **facts: Any) -> None:
        if self._is_enabled(level):
            facts["outcome"] = outcome
            facts["milliseconds"] = round((time.perf_counter() - started) * 1000, 3)
            self._emit(level, f"{envelope.kind} {envelope.name}: {outcome}", **_facts(envelope), **facts)


def _to_stdlib(logger: logging.Logger) -> Callable[..., None]:
    def emit(level: int, event: str, *, exc_info: bool = False, **facts: object) -> None:
        logger.log(level, "%s", event, exc_info=exc_info or None, extra=facts)

    return emit


def _configured_structlog() -> StructuredLogger | None:
    structlog: Any = sys.modules.get("structlog")  # whoever configured it has imported it
    if structlog is None or not structlog.is_configured():
        return None
    logger: StructuredLogger = structlog.get_logger(LOGGER)
    return logger


def _facts(envelope: Envelope) -> dict[str, object]:
    return {
        "message_kind": envelope.kind,
        "message_name": envelope.name,
        "message_id": envelope.id,
        "correlation_id": envelope.metadata.correlation_id,
        "actor": envelope.metadata.actor,
        "tenant": envelope.metadata.tenant,
    }
