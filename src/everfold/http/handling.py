"""What happens around every operation: one place to see it. Used by ``api``, which makes one for each operation."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Protocol

from starlette.requests import Request
from starlette.types import Receive, Scope, Send

from everfold.app.application import App
from everfold.codec.metadata import reset_metadata
from everfold.errors import StoreClosed
from everfold.http.correlation import begin_correlation, with_correlation
from everfold.http.links import root_of
from everfold.http.operation import Needs, Operation
from everfold.http.problem import problem_response
from everfold.http.quick_request import QuickRequest
from everfold.http.security_headers import with_security_headers
from everfold.security.principal import ANONYMOUS, Principal, reset_principal, set_principal

__all__ = ["Gate", "Handling", "Observer"]

NOT_RUN = (
    "The app {!r} is not running: nothing has started it, or it has been stopped. A server that mounts its API in "
    "another application has to run its lifespan as well, as in FastAPI(lifespan=api.lifespan)."
)


class Gate(Protocol):
    """Decides who may come in."""

    async def admit(self, request: Request, operation: Operation) -> Principal:
        """Who asks; raises NotAuthenticated, NotAuthorized, CrossOrigin, WrongHost or RateLimited."""
        ...


class Observer(Protocol):
    """Is told of every request that was answered."""

    def answered(self, operation: Operation, request: Request, status: int, seconds: float) -> None:
        """One request: with which status, and how long until the answer began. Must be quick, and must not raise."""
        ...


class Handling:
    """One operation as an ASGI application: admitted, done, observed; whatever goes wrong is told as a problem."""

    def __init__(
        self,
        app: App,
        operation: Operation,
        gate: Gate,
        observers: Sequence[Observer] = (),
        *,
        explains: bool = True,
    ) -> None:
        """``explains``: whether the pages that explain problems are reached beside the operation."""
        self._app = app
        self._needs_app = operation.needs is not Needs.NOTHING
        self._explains = explains
        self.operation = operation
        self._gate = gate
        self._observers = observers

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Take one request."""
        started = time.perf_counter()
        request = QuickRequest(scope, receive)
        belonging = begin_correlation(request.headers, self._app.new_id)
        token = set_principal(ANONYMOUS)  # until the answer has been sent: a live one goes on asking policies
        try:
            try:
                if self._needs_app and not self._app.is_running:
                    raise StoreClosed(NOT_RUN.format(self._app.name))
                set_principal(await self._gate.admit(request, self.operation))
                response = await self.operation.endpoint(request)
            except Exception as error:
                response = problem_response(error, root_of(scope) if self._explains else None)
            for observer in self._observers:
                observer.answered(self.operation, request, response.status_code, time.perf_counter() - started)
            await with_security_headers(with_correlation(response))(scope, receive, send)
        finally:
            reset_principal(token)
            reset_metadata(belonging)
