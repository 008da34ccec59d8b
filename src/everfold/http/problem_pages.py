"""Every code that a problem can have, explained: ``GET /problems/{code}`` and ``docs/problems.md``.

What it means is said by the error classes, what a client does about it here. Used by ``api`` and ``openapi``.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterator, Mapping

import msgspec
from starlette.requests import Request
from starlette.responses import Response

import everfold.errors
from everfold.errors import EverfoldError, RequestRefused, UnknownRoute
from everfold.http.json_response import JsonResponse
from everfold.http.operation import Needs, Operation, Parameter
from everfold.http.problem import INTERNAL, REASONS, STATUSES, type_of

__all__ = ["PAGES", "ProblemPage", "as_markdown", "problem_operations"]

FAULTS = (
    "projection-failed", "broken-rule", "unknown-event-type", "undecodable-record", "codec-error", "store-corrupt",
    "store-error",
)  # fmt: skip
"""What is told with status 500: the service is at fault, and its log says more."""
UNFORESEEN = (
    "Something that nobody foresaw went wrong in the service. Its log tells what; to the caller nothing is told."
)
INTRODUCTION = """\
# Problems

What the HTTP API answers when it cannot do what it was asked: [RFC 9457](https://www.rfc-editor.org/rfc/rfc9457)
problem details, as `application/problem+json`. `type` is `urn:everfold:problem:` and the code; it never changes, and
programs should look at it, or at `code`, and not at the words of `detail`. The same text is served at
`GET /problems/{code}`. This page is written by `everfold.http.problem_pages.as_markdown()`: do not edit it.
"""
ADVICE: Mapping[str, str] = {
    "body-too-large": "Send less, or raise the setting `max_request_bytes` of the service.",
    "broken-rule": "Tell those who run the service: the code of the model has to be mended.",
    "codec-error": "Tell those who run the service.",
    "conflict": "Read again, decide again, and send the command again. Without `If-Match` that is always safe.",
    "cross-origin": "Send the request from a page of this service, or with a token instead of a cookie.",
    "idempotency-key-reused": "Make a new key for each new command; keep it only to send the very same one again.",
    "internal-error": "Tell those who run the service. A command may be sent again with the same `Idempotency-Key`.",
    "invalid-event": "Send other values: `detail` names the one that cannot be stored.",
    "invalid-message": "Mend the message: `detail` names the field. `GET /openapi.json` describes every message.",
    "invalid-name": "Use another key: `detail` tells the rule.",
    "invalid-parameter": "Mend the parameter that `detail` names. `GET /openapi.json` describes every route.",
    "malformed-request": "Mend the request: `detail` tells what could not be read.",
    "method-not-allowed": "Use one of the methods in the header `Allow`.",
    "not-authenticated": "Sign in, or send a token that is valid: `Authorization: Bearer ...`.",
    "not-authorized": "Ask those who run the service for the role, or use another account.",
    "not-found": "Look at the key. After a command, ask with `Everfold-After` to read your own write.",
    "outcome-unknown": "Send the command again with the same `Idempotency-Key`, or look whether it was done.",
    "payload-too-large": "Send less, or raise the setting `max_event_bytes` of the service.",
    "precondition-failed": "Read the stream again for its `ETag` (`actual` is its version), and decide again.",
    "projection-failed": "Tell those who run the service: a handler of a read model has to be mended.",
    "rate-limited": "Wait for as many seconds as `Retry-After` says.",
    "read-model-behind": "Ask again after `Retry-After` seconds, or without `Everfold-After`. The command is stored.",
    "read-model-not-ready": "Ask again when the read model is built: `GET /readyz` tells.",
    "rejected": "Act on `reason`, a stable word, and on `facts`; `detail` is a sentence for people.",
    "request-too-slow": "Send the whole body sooner; the setting `request_timeout` is how long the service waits.",
    "store-busy": "Send it again a little later.",
    "store-closed": "Send it again a little later: the service is starting or stopping.",
    "store-corrupt": "Tell those who run the service, who restore a backup (`everfold doctor`).",
    "store-error": "Tell those who run the service. The command may be sent again.",
    "store-full": "Tell those who run the service. The command may be sent again once there is room.",
    "store-read-only": "Tell those who run the service. The command may be sent again.",
    "store-unavailable": "Send it again a little later, and tell those who run the service when it lasts.",
    "timed-out": "Send it again.",
    "too-many-live-clients": "Connect again after `Retry-After` seconds, or read the feed (`GET /events`) instead.",
    "undecodable-record": "Tell those who run the service: an event needs an upcaster.",
    "unknown-event-type": "Tell those who run the service: an event class is missing.",
    "unknown-message": "Look at the name: `GET /openapi.json` lists every command and query.",
    "unknown-route": "Look at the path: `GET /openapi.json` lists them all. A `/` within a name is written `%2F`.",
    "unsupported-media-type": "Send JSON, uncompressed, with `Content-Type: application/json`.",
    "wrong-host": "Use a name that the service knows, or add this one to its setting `allowed_hosts`.",
}
"""What a client does about it, by code."""
_LITERAL = re.compile(r"``([^`]*)``|:\w+:`~?([^`]*)`")


class ProblemPage(msgspec.Struct, frozen=True, kw_only=True):
    """One kind of problem."""

    code: str
    type: str
    status: int
    title: str
    about: str
    """What it means."""
    advice: str
    """What to do about it."""


def _pages() -> dict[str, ProblemPage]:
    known = {FAULT: 500 for FAULT in FAULTS} | dict(STATUSES) | {INTERNAL: 500}
    classes = _classes()
    known |= {code: kind.status for code, kind in classes.items() if issubclass(kind, RequestRefused)}
    known.pop(RequestRefused.code)  # the root of the others, never raised itself
    return {code: _page(code, status, classes.get(code)) for code, status in sorted(known.items())}


def _classes() -> dict[str, type[EverfoldError]]:
    every = [getattr(everfold.errors, name) for name in everfold.errors.__all__]
    return {kind.code: kind for kind in every if "code" in vars(kind)}


def _page(code: str, status: int, error: type[EverfoldError] | None) -> ProblemPage:
    about = inspect.cleandoc(error.__doc__ or "") if error else UNFORESEEN
    about = _LITERAL.sub(lambda found: f"`{found[1] or found[2]}`", about)
    return ProblemPage(
        code=code, type=type_of(code), status=status, title=REASONS[status], about=about, advice=ADVICE.get(code, "")
    )


PAGES: Mapping[str, ProblemPage] = _pages()
"""By code."""


def as_markdown() -> str:
    """The page of the documentation."""
    sections = [
        f"## {page.code}\n\n**{page.status} {page.title}**\n\n{page.about}\n\n*What to do:* {page.advice}\n"
        for page in PAGES.values()
    ]
    return "\n".join([INTRODUCTION, *sections])


def problem_operations() -> Iterator[Operation]:
    """What a problem's ``help`` leads to."""
    yield Operation(
        id="list-problems",
        method="GET",
        path="/problems",
        group="problems",
        summary="Every kind of problem that this service tells about",
        needs=Needs.NOTHING,
        endpoint=_list_problems,
        replies={200: list[ProblemPage]},
    )
    yield Operation(
        id="explain-problem",
        method="GET",
        path="/problems/{code}",
        group="problems",
        summary="What a problem means, and what to do",
        needs=Needs.NOTHING,
        endpoint=_explain_problem,
        parameters=(Parameter(name="code", place="path", type=str, required=True, about="As in `code` of a problem."),),
        replies={200: ProblemPage},
        problems=("unknown-route",),
    )


async def _list_problems(request: Request) -> Response:
    return JsonResponse([*PAGES.values()])


async def _explain_problem(request: Request) -> Response:
    code = request.path_params["code"]
    page = PAGES.get(code)
    if page is None:
        raise UnknownRoute(f"There is no problem with the code {code[:100]!r}. GET /problems lists them all.")
    return JsonResponse(page)
