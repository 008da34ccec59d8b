"""The context of one dispatch: what the metadata of its records will say. Used by both buses."""

from __future__ import annotations

from everfold.log.record import Metadata

__all__ = ["metadata_for"]


def metadata_for(ambient: Metadata, *, command: str, id: str) -> Metadata:
    """Metadata of the records of a command: the ambient values, and ids that link cause and effect.

    A command that something else caused (the ambient causation) keeps that cause; a first command is
    its own cause and starts a correlation.
    """
    return Metadata(
        correlation_id=ambient.correlation_id or id,
        causation_id=ambient.causation_id or id,
        command=command,
        actor=ambient.actor,
        tenant=ambient.tenant,
        traceparent=ambient.traceparent,
        user=ambient.user,
    )
