"""What answers where there is no operation. It is observed and logged as any other, under the name ``none``.

Used by ``api``.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from starlette.requests import Request
from starlette.responses import Response

from everfold.app.application import App
from everfold.errors import EverfoldError
from everfold.http.handling import Handling, Observer
from everfold.http.operation import Needs, Operation
from everfold.security.principal import ANONYMOUS, Principal

__all__ = ["refusing"]


class _Unguarded:
    """Nobody is asked who they are: there is nothing to be had."""

    async def admit(self, request: Request, operation: Operation) -> Principal:
        return ANONYMOUS


def refusing(app: App, observers: Sequence[Observer], refusal: Callable[[Request], EverfoldError]) -> Handling:
    """Answers every request with this error."""

    async def endpoint(request: Request) -> Response:
        raise refusal(request)

    operation = Operation(id="none", method="", path="", group="", summary="", needs=Needs.NOTHING, endpoint=endpoint)
    return Handling(app, operation, _Unguarded(), observers)
