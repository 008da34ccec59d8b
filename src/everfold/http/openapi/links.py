"""Links of OpenAPI: from the reply of a command to the operations that go on with what it made. Used by ``document``.

A client that has created an order is told where to read it, how to read its own write, and what else can be done with
it; a testing tool chains operations by them.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from everfold.app.application import App
from everfold.http.operation import Operation, Parameter

__all__ = ["Links"]

ID, STREAM, POSITION = "$response.body#/id", "$response.body#/stream", "$response.body#/position"
AFTER = "Everfold-After"
MAX_LINKS = 20
"""Enough to go on; an application with hundreds of queries by one key would drown its document in them."""


class Links:
    """Knows which operations take the key of what a command is about."""

    def __init__(self, app: App, operations: Sequence[Operation]) -> None:
        self._operations = operations
        self._commands = {*app.commands().values()}
        definitions = [aggregate.__everfold__ for aggregate in app.aggregates().values()]
        self._keys: Mapping[type, str] = {
            command: definition.key for definition in definitions for command in definition.decisions
        }
        self._known = {definition.key for definition in definitions}

    def of(self, operation: Operation) -> dict[str, Any]:
        """The links of the reply of this operation, by name."""
        if operation.message not in self._commands:
            return {}
        key = self._key(operation)
        links: dict[str, Any] = {}
        for target in self._operations:
            given = _given(target, key, is_command=target.message in self._commands)
            if given and target is not operation and len(links) < MAX_LINKS:
                links[target.id] = {"operationId": target.id, "parameters": given, "description": target.summary}
        return links

    def _key(self, operation: Operation) -> str | None:
        """What the key is called in the other operations."""
        message: Any = operation.message
        declared = self._keys.get(message)
        if declared is not None:
            return declared
        fields = [field for field in message.__struct_fields__ if field in self._known]
        return fields[0] if fields else self._below(operation.path)

    def _below(self, path: str) -> str | None:
        """Of a command that makes a new id: the name that the paths below its own have for it."""
        prefix = f"{path}/{{"
        names = [each.path.removeprefix(prefix) for each in self._operations if each.path.startswith(prefix)]
        return next((name[:-1] for name in names if name.count("}") == 1 and name.endswith("}")), None)


def _given(target: Operation, key: str | None, *, is_command: bool) -> dict[str, str]:
    """What the reply gives to the parameters of the target; nothing, when it needs more than that."""
    given: dict[str, str] = {}
    for parameter in target.parameters:
        if parameter.name == key and parameter.place in {"path", "query"}:
            given[f"{parameter.place}.{key}"] = ID
        elif parameter.name == "stream" and parameter.place == "path":
            given["path.stream"] = STREAM
    if not given or _lacks(target.parameters, given):
        return {}
    if not is_command and any(parameter.name == AFTER for parameter in target.parameters):
        given[f"header.{AFTER}"] = POSITION
    return given


def _lacks(parameters: Iterable[Parameter], given: Mapping[str, str]) -> bool:
    return any(one.required and one.place == "path" and f"path.{one.name}" not in given for one in parameters)
