"""Who may use an operation: what its row in the table of routes, and the app's policies, say. Asked by the gate."""

from __future__ import annotations

from collections.abc import Callable

from starlette.requests import Request

from everfold.app.application import App
from everfold.domain.message import message_definition
from everfold.errors import DefinitionError, NotAuthenticated, NotAuthorized
from everfold.http.operation import Needs, Operation
from everfold.identifiers import category_of
from everfold.security.policies import Policies, Rule, anyone, known, roles
from everfold.security.principal import Principal
from everfold.security.roles import ADMIN, OPERATOR, VIEWER

__all__ = ["Access", "AccessRules"]

ROLE = {Needs.VIEWER: VIEWER, Needs.OPERATOR: OPERATOR, Needs.ADMIN: ADMIN}
DEFAULTS = Policies({})
SAFE = frozenset({"GET", "HEAD", "OPTIONS"})
LOG_PATHS = ("/events", "/streams", "/parked")
"""What lies below shows records of the log as they are, or what errors say about them."""
WHO = (
    "It has to be known who asks. Send a token (Authorization: Bearer ...; everfold tokens create), or sign in with "
    "the link that the service printed when it started."
)


class Access:
    """The rule of one operation."""

    def __init__(self, operation: Operation, rules: AccessRules) -> None:
        definition = None if operation.message is None else message_definition(operation.message)
        self._operation = operation
        self._names = frozenset({operation.id} if definition is None else {operation.id, definition.name})
        self.is_for_everybody = operation.needs is Needs.NOTHING
        self.changes = operation.method not in SAFE or (definition is not None and definition.kind == "command")
        """Whether it may change anything, so that it matters which page sent the request."""
        self._rule = anyone() if self.is_for_everybody else rules.rule_of(operation)
        self._stream_rules = rules.stream_rules(operation)
        """Asks for the category in the path, or for all that were declared when the whole log is shown."""

    def check(self, principal: Principal, request: Request) -> None:
        """NotAuthenticated or NotAuthorized unless it may, as far as can be told without the message."""
        if principal.is_trusted:
            return
        if principal.only and principal.only.isdisjoint(self._names):
            raise NotAuthorized(f"This token is only for {', '.join(sorted(principal.only))}.")
        if self._rule.early(principal) is False:
            self._refuse(principal)
        if self._stream_rules is not None:
            for rule in self._stream_rules(request):
                if rule.early(principal) is not True:
                    self._refuse(principal)

    def _refuse(self, principal: Principal) -> None:
        if not principal.is_known:
            raise NotAuthenticated(WHO)
        raise NotAuthorized(f"{principal.name} may not use {self._operation.method} {self._operation.path}.")


class AccessRules:
    """The rules of all operations of one application."""

    def __init__(self, app: App) -> None:
        self._found: dict[str, Access] = {}
        authorize = app.authorize
        self._policies = authorize if isinstance(authorize, Policies) else DEFAULTS
        self._has_function = authorize is not None and not isinstance(authorize, Policies)
        handled = {*app.commands().values(), *app.queries().values()}
        strange = [message.__qualname__ for message in self._policies.messages if message not in handled]
        if strange:
            raise DefinitionError(
                f"There are policies for {', '.join(strange)}, which the app {app.name!r} does not handle."
            )

    def of(self, operation: Operation) -> Access:
        """The rule of an operation."""
        found = self._found.get(operation.id)
        if found is None:
            found = self._found[operation.id] = Access(operation, self)
        return found

    def rule_of(self, operation: Operation) -> Rule:
        """Who may use it, but for the streams that it shows."""
        if operation.needs is not Needs.POLICY:
            return roles(ROLE[operation.needs])
        if operation.message is None:
            raise DefinitionError(f"The operation {operation.id} needs a policy, and carries no message.")
        # A function of the app's own decides on the bus about every message. Here it only has to be known who asks.
        return known() if self._has_function else self._policies.rule_for(operation.message)

    def stream_rules(self, operation: Operation) -> Callable[[Request], list[Rule]] | None:
        """The rules of the streams that it shows; None: it shows none that a policy was declared for."""
        if not self._policies.streams or operation.method not in SAFE:
            return None
        if "{stream}" in operation.path:
            return lambda request: [self._policies.stream_rule(category_of(request.path_params["stream"]))]
        if not operation.path.startswith(LOG_PATHS):
            return None
        declared = list(self._policies.streams.values())
        return lambda _: declared
