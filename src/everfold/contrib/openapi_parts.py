"""The OpenAPI descriptions of an app's operations, as parts of a host's own document.

Every component is named after the app, so that none is mistaken for one of the host's. Used by ``fastapi``.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from everfold.app.application import App
from everfold.http.openapi.document import openapi_document
from everfold.http.operation import Operation

__all__ = ["OpenApiParts"]

COMPONENTS = "#/components/"


class OpenApiParts:
    """Descriptions of some operations, and the components that they refer to."""

    def __init__(self, app: App, operations: Sequence[Operation], security: Mapping[str, Any]) -> None:
        """``security``: the ways to say who asks; none, when the host asks itself."""
        self._prefix = re.sub(r"[^A-Za-z0-9_-]+", "-", app.name) + "."
        named = {self._prefix + name: scheme for name, scheme in security.items()}
        document = openapi_document(app, operations, version="", security=named)
        self._paths = document["paths"]
        self._is_secured = bool(security)
        components: Mapping[str, Mapping[str, Any]] = document["components"]
        self.components: Mapping[str, Mapping[str, Any]] = {
            kind: {self._named(kind, name): self._renamed(part) for name, part in parts.items()}
            for kind, parts in components.items()
            if parts
        }

    def of(self, operation: Operation) -> dict[str, Any]:
        """The description of one operation."""
        described: dict[str, Any] = self._renamed(self._paths[operation.path][operation.method.lower()])
        if not self._is_secured:
            del described["security"]
        return described

    def add_components(self, document: dict[str, Any]) -> None:
        """Add what the descriptions refer to to the host's document."""
        components = document.setdefault("components", {})
        for kind, parts in self.components.items():
            components.setdefault(kind, {}).update(parts)

    def _named(self, kind: str, name: str) -> str:
        return name if kind == "securitySchemes" else self._prefix + name

    def _renamed(self, part: Any) -> Any:
        if isinstance(part, dict):
            return {name: self._renamed(each) for name, each in part.items()}  # pyright: ignore[reportUnknownVariableType]
        if isinstance(part, list):
            return [self._renamed(each) for each in part]  # pyright: ignore[reportUnknownVariableType]
        if isinstance(part, str) and part.startswith(COMPONENTS):
            kind, _, name = part.removeprefix(COMPONENTS).partition("/")
            return f"{COMPONENTS}{kind}/{self._prefix}{name}"
        return part
