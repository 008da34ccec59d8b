"""An app in a WSGI server (Flask, Django): its HTTP API as a WSGI application, through the blocking facade. ::

    bank = OnePerProcess(app)
    web.wsgi_app = DispatcherMiddleware(web.wsgi_app, {"/es": WsgiApi(bank)})  # Flask

All is answered as under ASGI, but for what never ends (SSE): it would hold a thread for each client. Run ``everfold run
--role server`` beside the site for that. Views of the host's own call ``bank()`` and tell errors by :func:`problem`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from http import HTTPStatus
from typing import Any
from wsgiref.types import StartResponse, WSGIEnvironment

from starlette.types import Message, Scope

from everfold.contrib.one_per_process import OnePerProcess
from everfold.errors import EverfoldError, UnknownRoute
from everfold.http.api import HttpApi
from everfold.http.handling import Gate, Observer
from everfold.http.problem import problem_response

__all__ = ["WsgiApi", "problem"]

NO_LIVE = (
    "What never ends is not answered here: under WSGI it would hold a thread for each client. Ask a server of the "
    "app's own (everfold run), or page after page."
)


def problem(error: EverfoldError) -> tuple[bytes, int, dict[str, str]]:
    """Body, status and headers that tell about an error as the API does, for views of the host's own."""
    response = problem_response(error, None)
    return bytes(response.body), response.status_code, dict(response.headers)


class WsgiApi:
    """The API of an app as a WSGI application. Each process makes its own when it is first asked."""

    def __init__(self, app: OnePerProcess, *, gate: Gate | None = None, observers: Sequence[Observer] = ()) -> None:
        """``gate``, ``observers``: as of ``HttpApi``. What the server knows is in ``request.scope["wsgi.environ"]``."""
        self._app = app
        self._gate = gate
        self._observers = observers
        self._made: tuple[HttpApi, int] | None = None

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        """Answer one request."""
        api, max_request_bytes = self._api()
        exchange = _Exchange(environ, max_request_bytes)
        self._app().call(exchange.run(api))
        phrase = HTTPStatus(exchange.status).phrase
        start_response(f"{exchange.status} {phrase}", exchange.headers)
        return [] if environ["REQUEST_METHOD"] == "HEAD" else exchange.body

    def _api(self) -> tuple[HttpApi, int]:
        app = self._app.app
        made = self._made
        if made is None or made[0].app is not app:  # the first request, or the first one of a process that was forked
            api = HttpApi(app, gate=self._gate, observers=self._observers)
            self._app.before_closing(lambda: self._app().call(api.end_rebuilds()))
            self._made = made = api, app.settings().values.max_request_bytes
        return made


class _Exchange:
    """One request, and what is answered."""

    def __init__(self, environ: WSGIEnvironment, limit: int) -> None:
        self._scope = _scope(environ)
        self._request: Message | None = {"type": "http.request", "body": _body(environ, limit), "more_body": False}
        self._is_refused = False
        self.status = 500
        self.headers: list[tuple[str, str]] = []
        self.body: list[bytes] = []

    async def run(self, api: HttpApi) -> None:
        """Have it answered."""
        await api(self._scope, self._receive, self._send)
        if self._is_refused:
            response = problem_response(UnknownRoute(NO_LIVE), None)
            self.status, self.body = response.status_code, [bytes(response.body)]
            self.headers = [*response.headers.items()]

    async def _receive(self) -> Message:
        message, self._request = self._request, None
        return message or {"type": "http.disconnect"}

    async def _send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.status = message["status"]
            self.headers = [(name.decode("latin-1"), value.decode("latin-1")) for name, value in message["headers"]]
            self._is_refused = dict(self.headers).get("content-type", "").startswith("text/event-stream")
            if self._is_refused:
                raise asyncio.CancelledError
        elif message["type"] == "http.response.body" and not self._is_refused:
            self.body.append(message.get("body", b""))


def _scope(environ: WSGIEnvironment) -> Scope:
    root, path = _text(environ.get("SCRIPT_NAME", "")).rstrip("/"), _text(environ.get("PATH_INFO", ""))
    return {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": "2.3"},
        "http_version": environ.get("SERVER_PROTOCOL", "HTTP/1.1").partition("/")[2],
        "method": environ["REQUEST_METHOD"],
        "scheme": environ.get("wsgi.url_scheme", "http"),
        "path": root + path,
        "root_path": root,
        "query_string": environ.get("QUERY_STRING", "").encode("latin-1"),
        "headers": [*_headers(environ)],
        "client": (environ["REMOTE_ADDR"], int(environ.get("REMOTE_PORT") or 0)) if "REMOTE_ADDR" in environ else None,
        "server": (environ.get("SERVER_NAME", ""), int(environ.get("SERVER_PORT") or 0)),
        "wsgi.environ": environ,
    }


def _text(of_environ: str) -> str:
    """WSGI has bytes travel as Latin-1."""
    return of_environ.encode("latin-1").decode("utf-8", "replace")


def _headers(environ: Mapping[str, Any]) -> Iterable[tuple[bytes, bytes]]:
    for name, value in environ.items():
        if name.startswith("HTTP_"):
            yield _header(name.removeprefix("HTTP_"), value)
        elif name in {"CONTENT_TYPE", "CONTENT_LENGTH"} and value:
            yield _header(name, value)


def _header(name: str, value: str) -> tuple[bytes, bytes]:
    return name.replace("_", "-").lower().encode("latin-1"), value.encode("latin-1")


def _body(environ: WSGIEnvironment, limit: int) -> bytes:
    """The body, or as much of one that is too large as shows that it is."""
    length = environ.get("CONTENT_LENGTH", "")
    if length.isascii() and length.isdigit():
        wanted = min(int(length), limit + 1)
    else:  # only some servers tell where a body without length ends
        wanted = limit + 1 if environ.get("wsgi.input_terminated") else 0
    body: bytes = environ["wsgi.input"].read(wanted) if wanted else b""
    return body
