"""The operations on projections, recorded in the audit: what the faces give operators instead of the plain ones."""

from __future__ import annotations

from everfold.app.application import App
from everfold.projections.build_consumer import Progress
from everfold.projections.operations import Operations, ProjectionStatus
from everfold.projections.parking import Retried
from everfold.security.audit import Audit, Facts, audit_of
from everfold.security.principal import current_principal

__all__ = ["AuditedOperations", "audited_operations"]


class AuditedOperations(Operations):
    """Records each verb that changes anything, with how the projection was before and after."""

    def __init__(self, operations: Operations, audit: Audit) -> None:
        super().__init__(operations._views, operations._tools)
        self._audit = audit

    async def pause(self, name: str, reason: str) -> None:
        """As Operations does."""
        async with self._audit.action("pause", _target(name), reason=reason, before=await self._facts(name)) as action:
            await super().pause(name, reason)
            action.after = await self._facts(name)

    async def resume(self, name: str) -> None:
        """As Operations does."""
        async with self._audit.action("resume", _target(name), before=await self._facts(name)) as action:
            await super().resume(name)
            action.after = await self._facts(name)

    async def rebuild(self, name: str, progress: Progress | None = None) -> int:
        """As Operations does."""
        async with self._audit.action("rebuild", _target(name), before=await self._facts(name)) as action:
            number = await super().rebuild(name, progress)
            action.after = await self._facts(name)
        return number

    async def reset(self, name: str) -> int:
        """As Operations does."""
        async with self._audit.action("reset", _target(name), before=await self._facts(name)) as action:
            number = await super().reset(name)
            action.after = await self._facts(name)
        return number

    async def retry(self, name: str, stream: str) -> Retried:
        """As Operations does."""
        given: Facts = {"stream": stream}
        before = await self._facts(name)
        async with self._audit.action("retry", _target(name), facts=given, before=before) as action:
            retried = await super().retry(name, stream)
            action.after = await self._facts(name)
        return retried

    async def skip(self, name: str, position: int, *, reason: str, actor: str = "") -> Retried:
        """As Operations does."""
        given: Facts = {"position": position}
        before = await self._facts(name)
        async with self._audit.action("skip", _target(name), reason=reason, facts=given, before=before) as action:
            retried = await super().skip(name, position, reason=reason, actor=actor or self._audit.actor)
            action.after = await self._facts(name)
        return retried

    async def substitute(self, name: str, position: int, data: str, *, reason: str, actor: str = "") -> Retried:
        """As Operations does. The fields that are given are kept with the projection, and not in the audit."""
        given: Facts = {"position": position}
        before = await self._facts(name)
        async with self._audit.action("substitute", _target(name), reason=reason, facts=given, before=before) as action:
            retried = await super().substitute(name, position, data, reason=reason, actor=actor or self._audit.actor)
            action.after = await self._facts(name)
        return retried

    async def _facts(self, name: str) -> Facts:
        return _facts_of(await self.status(name))


def _target(name: str) -> str:
    return f"projection {name}"


def _facts_of(status: ProjectionStatus) -> Facts:
    return {
        "state": status.state,
        "position": status.position,
        "build": status.build,
        "paused": status.paused,
        "parked": status.parked,
    }


def audited_operations(app: App, *, by: str = "http") -> AuditedOperations:
    """The operations of a running app, in the name of the current principal."""
    return AuditedOperations(app.projections, audit_of(app, actor=current_principal().name, by=by))
