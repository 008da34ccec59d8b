"""What an operation may answer when it cannot do what it was asked, by status. Used by ``document``."""

from __future__ import annotations

from typing import Any

from everfold.http.openapi.schemas import REF
from everfold.http.operation import Needs, Operation
from everfold.http.problem import MEDIA_TYPE
from everfold.http.problem_pages import PAGES

__all__ = ["ProblemReplies", "codes_of"]

ALWAYS = ("wrong-host", "rate-limited", "internal-error")
OF_THE_STORE = ("store-closed", "store-unavailable", "store-corrupt", "store-error", "codec-error",
                "undecodable-record", "unknown-event-type")  # fmt: skip
OF_ACCESS = ("not-authenticated", "not-authorized", "cross-origin")
RETRY_AFTER = {"description": "Seconds to wait.", "schema": {"type": "integer", "minimum": 1}}
CHALLENGE = {"description": "How to say who asks.", "schema": {"type": "string"}}


def codes_of(operation: Operation) -> list[str]:
    """The codes of all problems that the operation may answer with."""
    codes = {*operation.problems, *ALWAYS}
    if operation.needs is not Needs.NOTHING:
        codes |= {*OF_ACCESS, *OF_THE_STORE}
    if any(parameter.place == "path" for parameter in operation.parameters):
        codes.add("unknown-route")  # what is left of a path without the parameter, or with a / in it
    return sorted(codes)


class ProblemReplies:
    """The responses that tell about problems; each set of codes is described once and referred to."""

    def __init__(self) -> None:
        self.components: dict[str, Any] = {}
        self._names: dict[tuple[str, ...], str] = {}

    def beside(self, replies: dict[str, Any], operation: Operation) -> dict[str, Any]:
        """The replies of the operation, and those that tell about problems, in order of their status."""
        by_status: dict[int, list[str]] = {}
        for code in codes_of(operation):
            page = PAGES.get(code)
            by_status.setdefault(page.status if page else 500, []).append(code)
        found = dict(replies)
        for status, codes in by_status.items():
            if str(status) in found:
                found[str(status)]["content"] |= _reply(status, codes)["content"]
            else:
                found[str(status)] = {"$ref": f"#/components/responses/{self._name(status, codes)}"}
        return dict(sorted(found.items()))

    def _name(self, status: int, codes: list[str]) -> str:
        key = tuple(codes)
        if key not in self._names:
            number = sum(name.startswith(f"Problem{status}") for name in self.components)
            self._names[key] = name = f"Problem{status}" + (f"-{number + 1}" if number else "")
            self.components[name] = _reply(status, codes)
        return self._names[key]


def _reply(status: int, codes: list[str]) -> dict[str, Any]:
    schema = {"$ref": f"{REF}Problem", "properties": {"code": {"enum": codes}}}
    reply: dict[str, Any] = {
        "description": f"A problem: {', '.join(f'`{code}`' for code in codes)}.",
        "content": {MEDIA_TYPE: {"schema": schema}},
    }
    if status in {429, 503}:
        reply["headers"] = {"Retry-After": RETRY_AFTER}
    if status == 401:
        reply["headers"] = {"WWW-Authenticate": CHALLENGE}
    return reply
