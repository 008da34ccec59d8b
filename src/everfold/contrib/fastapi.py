"""An app in FastAPI: its commands and queries as routes of the host, in the host's own ``/docs``. ::

    api = HttpApi(app)
    router = fastapi_router(api, principal=current_principal)  # a dependency of the host's that says who asks
    host = FastAPI(lifespan=api.lifespan)
    host.include_router(router, prefix="/bank")
    router.describe_in(host)

The whole API is mounted as in Starlette: ``host.mount("/es", api)``.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Annotated, Any

from fastapi import APIRouter, Depends, FastAPI, Request, Response
from fastapi.params import Depends as Dependency
from starlette.types import Receive, Scope, Send

from everfold.contrib.openapi_parts import OpenApiParts
from everfold.http.api import HttpApi
from everfold.http.gate import GateKeeper
from everfold.http.handling import Handling
from everfold.http.host_gate import HostGate
from everfold.http.openapi.document import SECURITY
from everfold.http.operation import Needs, Operation
from everfold.security.principal import Principal

__all__ = ["OperationsRouter", "fastapi_router"]

FOUND = "everfold.principal"
NEVER_ENDING = "text/event-stream"


def fastapi_router(
    api: HttpApi,
    *,
    principal: Callable[..., Any] | None = None,
    dependencies: Sequence[Dependency] = (),
    tags: Sequence[str] | None = None,
) -> OperationsRouter:
    """A router with one route for each command and query, by name and by its own ``route=``.

    ``principal``: a dependency that returns the Principal of the request, or None for nobody; by default the gate of
    the API decides, with tokens. ``dependencies``: of every route. ``tags``: instead of the groups of our own document.
    """
    return OperationsRouter(api, principal, dependencies, tags)


class OperationsRouter(APIRouter):
    """Routes for commands and queries; made by :func:`fastapi_router`."""

    def __init__(
        self,
        api: HttpApi,
        principal: Callable[..., Any] | None,
        dependencies: Sequence[Dependency],
        tags: Sequence[str] | None,
    ) -> None:
        asking = [] if principal is None else [Depends(_remembering(principal))]
        super().__init__(dependencies=[*asking, *dependencies])
        gate = api.gate if principal is None else HostGate(api.app, _found)
        operations = [operation for operation in api.operations if _is_shown(operation)]
        asks = isinstance(gate, GateKeeper) and gate.asks
        self._parts = OpenApiParts(api.app, operations, {"token": SECURITY["token"]} if asks else {})
        for operation in operations:
            described = self._parts.of(operation)
            if tags is not None:
                described.pop("tags")
            self.add_api_route(
                operation.path,
                _endpoint(Handling(api.app, operation, gate, api.observers, explains=False)),
                methods=[operation.method],
                name=operation.id,
                operation_id=operation.id,
                tags=None if tags is None else [*tags],
                response_model=None,
                response_class=Response,
                openapi_extra=described,
            )

    def describe_in(self, host: FastAPI) -> None:
        """Add the types of commands, queries and replies to the document of the host, which its routes refer to."""
        make = host.openapi

        def openapi() -> dict[str, Any]:
            document = make()
            self._parts.add_components(document)
            return document

        host.openapi = openapi  # type: ignore[method-assign] # how FastAPI has its document changed


def _is_shown(operation: Operation) -> bool:
    return operation.needs is Needs.POLICY and NEVER_ENDING not in operation.replies.values()


def _remembering(principal: Callable[..., Any]) -> Callable[..., None]:
    def remember(request: Request, found: Principal | None) -> None:
        request.scope[FOUND] = found

    # FastAPI cannot find a dependency by the name that it has in here.
    remember.__annotations__ = {"request": Request, "found": Annotated[Any, Depends(principal)], "return": None}
    return remember


def _found(request: Request) -> Principal | None:
    found: Principal | None = request.scope.get(FOUND)
    return found


def _endpoint(handling: Handling) -> Callable[..., Any]:
    async def endpoint() -> Response:
        return _Handled(handling)

    return endpoint


class _Handled(Response):
    """The response is what handling makes of the request."""

    def __init__(self, handling: Handling) -> None:
        super().__init__()
        self._handling = handling

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self._handling(scope, receive, send)
        if self.background is not None:
            await self.background()
