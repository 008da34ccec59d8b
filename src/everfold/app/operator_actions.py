"""What operators did, as events in the log beside those of the domain. Every app can read them, so that readers of the
whole log meet nothing unknown. Recorded by ``security.audit``.
"""

from __future__ import annotations

import msgspec

from everfold.domain.event import Event

__all__ = ["AUDIT_CATEGORY", "AUDIT_STREAM", "OPERATOR_ACTIONS", "OperatorActionEnded", "OperatorActionStarted"]

Facts = dict[str, str | int | None]
AUDIT_CATEGORY = "everfold_audit"
AUDIT_STREAM = f"{AUDIT_CATEGORY}-operators"


class OperatorActionStarted(Event, name="everfold-operator-action-started"):
    """Somebody is about to operate on the service. Durable before anything is done; who it is says the metadata."""

    action: str
    """``pause``, ``rebuild``, ``create-token``."""
    target: str
    """``projection account-summaries``, ``token backup``."""
    reason: str = ""
    facts: Facts = msgspec.field(default_factory=Facts)
    """What the action was given besides."""
    before: Facts = msgspec.field(default_factory=Facts)
    """How the target was."""
    by: str = ""
    """By which face: ``http``, ``cli``, ``program``."""


class OperatorActionEnded(Event, name="everfold-operator-action-ended"):
    """What became of it. Without one, the process ended meanwhile, and the target tells."""

    action: str
    target: str
    started: int
    """The version of the event in this stream that it ends."""
    outcome: str
    """``done``, else the code of the error."""
    after: Facts = msgspec.field(default_factory=Facts)
    """How the target is now."""


OPERATOR_ACTIONS = (OperatorActionStarted, OperatorActionEnded)
