"""A middleware of the application's own: who asked for what, and what came of it, refusals included."""

from collections.abc import Callable
from typing import Any

import msgspec

from everfold import Envelope, Next, Rejected


class AuditEntry(msgspec.Struct, frozen=True):
    actor: str | None
    command: str
    outcome: str
    """``done``, the reason of a refusal, or the kind of an error."""
    correlation_id: str | None


class Audit:
    """Gives an entry for each command to ``write``. The log itself has only what was done; this also knows the rest."""

    def __init__(self, write: Callable[[AuditEntry], None]) -> None:
        self._write = write

    async def __call__(self, envelope: Envelope, next: Next) -> Any:
        if envelope.kind != "command":
            return await next(envelope)
        try:
            result = await next(envelope)
        except Rejected as refusal:
            self._note(envelope, refusal.reason)
            raise
        except Exception as error:
            self._note(envelope, type(error).__name__)
            raise
        self._note(envelope, "done")
        return result

    def _note(self, envelope: Envelope, outcome: str) -> None:
        about = envelope.metadata
        self._write(AuditEntry(about.actor, envelope.name, outcome, about.correlation_id))
