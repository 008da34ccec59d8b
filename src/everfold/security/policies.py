"""Policies: who may send which command, ask which query and read which streams. Written by users, given to the App. ::

    app = App("bank", Account, AccountSummaries, authorize=Policies({
        Withdraw: roles("teller") | owner_of("owner"),
        GetAccount: anyone(),
        stream("account"): roles("auditor"),
    }))

What is not named needs the role operator (commands) or viewer (queries and streams). Commands and queries are checked
wherever they come from a request; streams by the HTTP face. The program itself (no request) may do everything.
"""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Callable, Iterable, Mapping
from typing import Any

import msgspec

from everfold.app.middleware import Envelope
from everfold.domain.message import message_definition
from everfold.errors import DefinitionError
from everfold.identifiers import check_category
from everfold.security.principal import Principal, current_principal
from everfold.security.roles import OPERATOR, VIEWER, enough_for

__all__ = ["Category", "Policies", "Rule", "allowed", "anyone", "known", "nobody", "owner_of", "roles", "stream"]

Verdict = bool | Awaitable[bool]


class Category(msgspec.Struct, frozen=True):
    """The streams of one category, as the key of a policy. Made by :func:`stream`."""

    name: str


class Rule:
    """Says who may. Rules are combined: ``roles("teller") | owner_of("owner")``, ``known() & allowed(in_hours)``."""

    def early(self, principal: Principal) -> bool | None:
        """The verdict as far as it can be told before there is a message; None: the message decides."""
        raise NotImplementedError

    async def allows(self, principal: Principal, message: object) -> bool:
        """The verdict on a message."""
        return self.early(principal) is True

    def check(self, message: type) -> None:
        """DefinitionError when the rule does not fit messages of this type."""

    def __or__(self, other: Rule) -> Rule:
        return _Any((self, other))

    def __and__(self, other: Rule) -> Rule:
        return _All((self, other))


class _Everybody(Rule):
    def early(self, principal: Principal) -> bool:
        return True


class _Nobody(Rule):
    def early(self, principal: Principal) -> bool:
        return False


class _Known(Rule):
    def early(self, principal: Principal) -> bool:
        return principal.is_known


class _Roles(Rule):
    def __init__(self, names: Iterable[str]) -> None:
        self._enough = enough_for(names)

    def early(self, principal: Principal) -> bool:
        return principal.is_known and not self._enough.isdisjoint(principal.roles)


class _OwnerOf(Rule):
    def __init__(self, field: str, claim: str | None) -> None:
        self._field = field
        self._claim = claim

    def early(self, principal: Principal) -> bool | None:
        return None if principal.is_known else False

    async def allows(self, principal: Principal, message: object) -> bool:
        own = principal.name if self._claim is None else principal.claims.get(self._claim)
        return principal.is_known and own is not None and getattr(message, self._field) == own

    def check(self, message: type) -> None:
        if self._field not in getattr(message, "__struct_fields__", ()):
            raise DefinitionError(f"owner_of({self._field!r}): {message.__qualname__} has no field of that name.")


class _Allowed(Rule):
    def __init__(self, function: Callable[[Principal, Any], Verdict]) -> None:
        self._function = function

    def early(self, principal: Principal) -> bool | None:
        return None if principal.is_known else False

    async def allows(self, principal: Principal, message: object) -> bool:
        if not principal.is_known:
            return False
        verdict = self._function(principal, message)
        return bool(await verdict if inspect.isawaitable(verdict) else verdict)


class _Combined(Rule):
    def __init__(self, rules: tuple[Rule, ...]) -> None:
        self._rules = rules

    def check(self, message: type) -> None:
        for rule in self._rules:
            rule.check(message)


class _Any(_Combined):
    def early(self, principal: Principal) -> bool | None:
        verdicts = [rule.early(principal) for rule in self._rules]
        return True if True in verdicts else None if None in verdicts else False

    async def allows(self, principal: Principal, message: object) -> bool:
        for rule in self._rules:
            if rule.early(principal) is not False and await rule.allows(principal, message):
                return True
        return False


class _All(_Combined):
    def early(self, principal: Principal) -> bool | None:
        verdicts = [rule.early(principal) for rule in self._rules]
        return False if False in verdicts else None if None in verdicts else True

    async def allows(self, principal: Principal, message: object) -> bool:
        for rule in self._rules:
            if rule.early(principal) is False or not await rule.allows(principal, message):
                return False
        return True


def anyone() -> Rule:
    """Everybody, also who is not known."""
    return _Everybody()


def known() -> Rule:
    """Everybody who has proved who it is."""
    return _Known()


def nobody() -> Rule:
    """Nobody from outside: only the program itself."""
    return _Nobody()


def roles(*names: str) -> Rule:
    """Who has one of these roles. ``viewer`` is also had by an operator and an admin, ``operator`` by an admin."""
    if not names:
        raise DefinitionError("roles() names no role. Name some, or use nobody().")
    return _Roles(names)


def owner_of(field: str, *, claim: str | None = None) -> Rule:
    """Who is named in this field of the command or query; ``claim``: by this claim of the token, not by name."""
    return _OwnerOf(field, claim)


def allowed(function: Callable[[Principal, Any], Verdict]) -> Rule:
    """Whom a function of yours lets through: it gets the principal and the message, and may be async.

    It is asked only about who is known.
    """
    return _Allowed(function)


def stream(category: str) -> Category:
    """The streams of a category, as the key of a policy: who may read them over HTTP."""
    return Category(check_category(category))


class Policies:
    """Rules by command, query or ``stream(category)``; give it to ``App(authorize=...)``."""

    def __init__(self, rules: Mapping[Any, Rule]) -> None:
        self._messages: dict[type, Rule] = {}
        self.streams: dict[str, Rule] = {}
        """By category: those that were declared."""
        for key, rule in rules.items():
            self._add(key, rule)
        self._defaults = {"command": roles(OPERATOR), "query": roles(VIEWER)}
        self._stream_default = roles(VIEWER)

    def _add(self, key: Any, rule: object) -> None:
        if not isinstance(rule, Rule):
            raise DefinitionError(f"{rule!r} is no rule. Write roles(...), owner_of(...), anyone() or allowed(...).")
        if isinstance(key, Category):
            if rule.early(_SOMEBODY) is None:
                raise DefinitionError(f"The rule of stream({key.name!r}) asks for a message. Use roles or known.")
            self.streams[key.name] = rule
            return
        definition = message_definition(key) if isinstance(key, type) else None
        if definition is None or definition.kind not in {"command", "query"}:
            raise DefinitionError(f"{key!r} is no command, no query and no stream(...): it cannot have a policy.")
        rule.check(key)
        self._messages[key] = rule

    @property
    def messages(self) -> Iterable[type]:
        """The commands and queries that were declared."""
        return self._messages.keys()

    def rule_for(self, message: type) -> Rule:
        """The rule of a command or query, declared or not."""
        found = self._messages.get(message)
        if found is not None:
            return found
        definition = message_definition(message)
        return self._defaults[definition.kind] if definition is not None else nobody()

    def stream_rule(self, category: str) -> Rule:
        """The rule of the streams of a category, declared or not."""
        return self.streams.get(category, self._stream_default)

    def __call__(self, envelope: Envelope) -> bool | Awaitable[bool]:
        """Whether the current principal may send what is in the envelope."""
        principal = current_principal()
        if principal.is_trusted:
            return True
        message: object = envelope.message
        rule = self.rule_for(type(message))
        verdict = rule.early(principal)
        return rule.allows(principal, message) if verdict is None else verdict


_SOMEBODY = Principal(name="somebody")
