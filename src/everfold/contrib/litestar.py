"""An app in Litestar: ``Litestar(plugins=[EverfoldPlugin(api, path="/es")])`` mounts its API and runs its lifespan.

Litestar gives a mounted application neither the prefix nor the path as it was asked for; here both are put right.
"""

from __future__ import annotations

from typing import Any, cast

from litestar import asgi
from litestar.config.app import AppConfig
from litestar.plugins import InitPlugin
from litestar.types import Receive, Scope, Send

from everfold.errors import DefinitionError
from everfold.http.api import HttpApi

__all__ = ["EverfoldPlugin"]


class EverfoldPlugin(InitPlugin):
    """Mounts an API under a path. No other path of the host may begin with the same letters: Litestar mixes them up."""

    def __init__(self, api: HttpApi, *, path: str = "/es") -> None:
        if not path.startswith("/") or path.endswith("/"):
            raise DefinitionError(f"The path {path!r} has to begin with / and to end without it, as in '/es'.")
        self._api = api
        self._path = path

    def on_app_init(self, app_config: AppConfig) -> AppConfig:
        """Add the route and the lifespan."""

        async def everfold(scope: Scope, receive: Receive, send: Send) -> None:
            await self._mounted(cast("dict[str, Any]", scope), receive, send)

        everfold.__annotations__ = {"scope": Scope, "receive": Receive, "send": Send, "return": None}
        app_config.route_handlers.append(asgi(self._path, is_mount=True, copy_scope=True)(everfold))
        app_config.lifespan.append(self._api.lifespan)  # pyright: ignore[reportUnknownMemberType]
        return app_config

    async def _mounted(self, scope: dict[str, Any], receive: Any, send: Any) -> None:
        """Have the API see what it would see under Starlette's Mount."""
        rest: str = scope["path"]
        asked: bytes = scope.get("raw_path", b"").partition(b"?")[0]
        if not asked.endswith(b"/"):
            rest = rest.removesuffix("/")
        root = scope.get("root_path", "").rstrip("/") + self._path
        await self._api({**scope, "path": root + rest, "root_path": root}, receive, send)
