"""Signing in with a browser: the one-time link that the service printed begins a session. Used by ``api``.

The page at ``/sign-in`` shows nothing secret. The code stands in the fragment of the link, which a browser sends to
nobody; a line of script moves it into the form, and who has no scripts pastes it. Sending the form uses the code up.
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
import html
from collections.abc import Iterator
from urllib.parse import parse_qs

from starlette.requests import ClientDisconnect, Request
from starlette.responses import HTMLResponse, Response

from everfold.errors import BodyTooLarge, MalformedRequest, NotAuthenticated, RequestTooSlow
from everfold.http.gate import GateKeeper
from everfold.http.operation import Needs, Operation
from everfold.http.security_headers import page_policy
from everfold.http.session_cookie import remove_session, session_of, set_session
from everfold.security.tokens import CODE, SESSION

__all__ = ["sign_in_operations"]

GROUP = "sign-in"
SESSION_SECONDS = 12 * 3600
MAX_BODY = 1_024
BODY_SECONDS = 10.0
PROBLEMS = ("malformed-request", "body-too-large", "request-too-slow", "cross-origin", "wrong-host", "rate-limited")
SCRIPT = """\
const code = new URLSearchParams(location.hash.slice(1)).get("code");
if (code) {
  history.replaceState(null, "", location.pathname);
  document.querySelector("input").value = code;
}"""
STYLE = """\
:root { color-scheme: light dark }
body { font: 1rem/1.5 system-ui, sans-serif; max-width: 26rem; margin: 20vh auto; padding: 0 1rem }
input, button { font: inherit; padding: .4rem .8rem; width: 100%; box-sizing: border-box; margin-top: .5rem }"""
PAGE = """\
<!doctype html><html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>Sign in</title><style>{style}</style>
<h1>{title}</h1>
{body}</html>"""
FORM = """\
<p>{text}</p>
<form method="post" action="sign-in">
<label>Code <input name="code" type="password" autocomplete="off" required></label><button>Sign in</button>
</form><script>{script}</script>"""
SIGNED_IN = """\
<p>You are signed in as {name} ({roles}).</p>
<p><a href="./">Go on</a></p>
<form method="post" action="sign-out"><button>Sign out</button></form>"""


def _hash(text: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"


_POLICY = page_policy(styles=_hash(STYLE), scripts=_hash(SCRIPT), forms="'self'")
_HEADERS = {"content-security-policy": _POLICY, "cache-control": "no-store"}


def sign_in_operations(gate: GateKeeper) -> Iterator[Operation]:
    """The page, and what its forms send. Everybody may use them: a code, or a session, is the proof."""
    pages = SignIn(gate)
    yield Operation(
        id="show-sign-in",
        method="GET",
        path="/sign-in",
        group=GROUP,
        summary="The page to sign in with a browser",
        needs=Needs.NOTHING,
        endpoint=pages.show,
        replies={200: "text/html"},
    )
    yield Operation(
        id="sign-in",
        method="POST",
        path="/sign-in",
        group=GROUP,
        summary="Begin a session with a one-time code",
        about="The form field ``code`` (application/x-www-form-urlencoded). It answers with a cookie.",
        needs=Needs.NOTHING,
        endpoint=pages.sign_in,
        replies={303: None},
        problems=(*PROBLEMS, "not-authenticated"),
    )
    yield Operation(
        id="sign-out",
        method="POST",
        path="/sign-out",
        group=GROUP,
        summary="End the session",
        needs=Needs.NOTHING,
        endpoint=pages.sign_out,
        replies={303: None},
        problems=PROBLEMS,
    )


class SignIn:
    """The pages of one gate."""

    def __init__(self, gate: GateKeeper) -> None:
        self._authentication = gate.authentication

    async def show(self, request: Request) -> Response:
        """The form, or who is signed in."""
        session = session_of(request)
        principal = None if session is None else await self._authentication.session(session)
        if principal is None:
            text = "Open the link that the service printed when it started, or paste its code here."
            body = FORM.format(text=text, script=SCRIPT)
            return HTMLResponse(PAGE.format(style=STYLE, title="Sign in", body=body), headers=_HEADERS)
        name, roles = html.escape(principal.name.partition(":")[2]), html.escape(", ".join(sorted(principal.roles)))
        body = SIGNED_IN.format(name=name, roles=roles)
        return HTMLResponse(PAGE.format(style=STYLE, title="Signed in", body=body), headers=_HEADERS)

    async def sign_in(self, request: Request) -> Response:
        """Use the code up, and begin a session for the one it was made for."""
        code = _code(await _form(request))
        tokens = self._authentication.tokens
        found = await tokens.use_up(code, CODE)
        if found is None:
            raise NotAuthenticated(
                "This code is not good, or no more: it works once, and for ten minutes. Get another."
            )
        session = await tokens.create(
            found.name,
            found.roles,
            kind=SESSION,
            seconds=SESSION_SECONDS,
            only=found.only,
            tenant=found.tenant,
            by=found.created_by,
        )
        response = Response(status_code=303, headers={"location": "sign-in", "cache-control": "no-store"})
        set_session(request, response, session, SESSION_SECONDS)
        return response

    async def sign_out(self, request: Request) -> Response:
        """End the session, if there is one."""
        session = session_of(request)
        if session is not None:
            await self._authentication.tokens.use_up(session, SESSION)
            self._authentication.forget_session(session)
        response = Response(status_code=303, headers={"location": "sign-in", "cache-control": "no-store"})
        remove_session(request, response)
        return response


async def _form(request: Request) -> bytes:
    body = b""
    try:
        async with asyncio.timeout(BODY_SECONDS):
            async for part in request.stream():
                body += part
                if len(body) > MAX_BODY:
                    raise BodyTooLarge(MAX_BODY)
    except TimeoutError as error:
        raise RequestTooSlow(f"The form did not arrive within {BODY_SECONDS:g} s.") from error
    except ClientDisconnect as error:
        raise MalformedRequest("The client went away before its request was complete.") from error
    return body


def _code(body: bytes) -> str:
    try:
        given = parse_qs(body.decode("ascii"), strict_parsing=True, max_num_fields=10).get("code", [])
    except ValueError:
        given = []
    if len(given) != 1:
        raise MalformedRequest("The form has to have one field code, sent as application/x-www-form-urlencoded.")
    return given[0]
