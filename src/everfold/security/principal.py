"""Who asks: the principal of a request. Made by authentication, asked by policies, recorded as the actor.

Code that runs outside a request (scripts, consumers, tests) is the program itself: ``LOCAL``, whom no policy stops.
A face sets the principal of each request; a host that serves the app by routes of its own does so with
:func:`acting_as`.
"""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager
from contextvars import ContextVar, Token
from typing import Any

import msgspec

__all__ = [
    "ANONYMOUS",
    "ANYBODY",
    "LOCAL",
    "RESERVED",
    "Principal",
    "acting_as",
    "current_principal",
    "reset_principal",
    "set_principal",
]


class Principal(msgspec.Struct, frozen=True, kw_only=True):
    """Somebody, or something, that asks. Nothing here is secret."""

    name: str
    """Recorded as the actor of what it does: ``ann``, ``token:backup``."""
    roles: frozenset[str] = frozenset()
    """Built-in ones (viewer, operator, admin) and the application's own."""
    tenant: str | None = None
    is_known: bool = True
    """Whether it has proved who it is."""
    is_ambient: bool = False
    """Whether a browser sends the proof by itself (a cookie): then the origin of each change is checked."""
    is_trusted: bool = False
    """Whether policies let it do everything: the program itself, or anybody where authentication is switched off."""
    only: frozenset[str] = frozenset()
    """The names of the commands, queries and operations that it may use, when it is restricted to some."""
    claims: dict[str, Any] = {}
    """What the token says besides."""


ANONYMOUS = Principal(name="anonymous", is_known=False)
"""Who has not said who it is."""
LOCAL = Principal(name="local", roles=frozenset({"admin"}), is_trusted=True)
"""The program itself, where no face has set anybody."""
ANYBODY = Principal(name="anybody", roles=frozenset({"admin"}), is_known=False, is_trusted=True)
"""Whoever asks where authentication is switched off."""
RESERVED = frozenset({principal.name for principal in (ANONYMOUS, LOCAL, ANYBODY)})
_current: ContextVar[Principal] = ContextVar("everfold-principal", default=LOCAL)


def current_principal() -> Principal:
    """Who asks, in this task: what a policy or a handler may look at."""
    return _current.get()


def set_principal(principal: Principal) -> Token[Principal]:
    """Replace it for this task and the tasks it starts; undo with :func:`reset_principal`."""
    return _current.set(principal)


def reset_principal(token: Token[Principal]) -> None:
    """Undo :func:`set_principal`."""
    _current.reset(token)


@contextmanager
def acting_as(principal: Principal) -> Generator[None]:
    """Have policies ask about this principal for as long as the block runs."""
    token = set_principal(principal)
    try:
        yield
    finally:
        reset_principal(token)
