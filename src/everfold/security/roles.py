"""The built-in roles: who may look, who may operate, who may administer. Asked by the gate and by policies."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from everfold.security.principal import Principal

__all__ = ["ADMIN", "OPERATOR", "ROLES", "VIEWER", "enough_for", "has_role"]

VIEWER, OPERATOR, ADMIN = "viewer", "operator", "admin"
ROLES: Mapping[str, str] = {
    VIEWER: "reads streams, events and read models, and sees how everything is",
    OPERATOR: "also sends commands, and pauses, resumes, rebuilds and mends projections",
    ADMIN: "may do everything",
}
"""In ascending order: each may do what those before it may."""
_ENOUGH: Mapping[str, frozenset[str]] = {
    VIEWER: frozenset({VIEWER, OPERATOR, ADMIN}),
    OPERATOR: frozenset({OPERATOR, ADMIN}),
    ADMIN: frozenset({ADMIN}),
}


def enough_for(roles: Iterable[str]) -> frozenset[str]:
    """The roles of which one is enough where any of these is asked for. Those of an application include no other."""
    return frozenset({each for role in roles for each in _ENOUGH.get(role, frozenset({role}))})


def has_role(principal: Principal, role: str) -> bool:
    """Whether it has the role, or a built-in one that includes it."""
    return not enough_for((role,)).isdisjoint(principal.roles)
