"""Serves an ASGI application over sockets, until it is told to stop: then it finishes what it has accepted.

uvicorn does the HTTP; this adds what a service of ours needs: limits for slow clients, an end that loses nothing, and
no opinion about signals and logs. Used by ``everfold run``, the demos and tests.
"""

from __future__ import annotations

import asyncio
import gc
import logging
import socket
from collections.abc import Callable, Generator
from contextlib import contextmanager, suppress

import uvicorn
from starlette.types import ASGIApp

from everfold.app.settings import Settings
from everfold.errors import ConfigurationError
from everfold.http.connection import Connection

__all__ = ["HttpServer", "free_port", "listen", "settle_memory", "url_of"]

BACKLOG = 2_048
FILES_FOR_OTHERS = 200
"""File descriptors that connections leave to the store and whatever else the process opens."""
LOOK_SECONDS = 0.02
LAST_SECONDS = 5.0
"""How long requests that were given up may take to notice."""
_log = logging.getLogger("everfold.http")


def listen(settings: Settings) -> socket.socket:
    """A listening socket; ConfigurationError when the address cannot be had."""
    host, port = settings.host, settings.port
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listening = socket.socket(family)
    try:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind((host, port))
        listening.listen(BACKLOG)
    except OSError as error:
        listening.close()
        raise ConfigurationError(
            f"The service cannot listen on {host} port {port}: {error.strerror or error}. Choose another with --port "
            "(0: any that is free) and --host, or the settings of these names."
        ) from error
    listening.setblocking(False)
    return listening


def free_port(host: str, wanted: int) -> int:
    """The wanted port, or one that is free when somebody has it; it may be taken before it is listened on."""
    for port in (wanted, 0):
        with socket.socket() as trying:
            trying.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                trying.bind((host, port))
            except OSError:
                continue
            return int(trying.getsockname()[1])
    return wanted


def settle_memory() -> None:
    """Have the garbage collector pass over what was made at the start, and look less often at what requests make.

    For the whole process, so only for one that is ours. What a request makes is freed without the collector, nearly all
    of it; by default it looks for cycles after every few requests, which costs up to a fifth of their time.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(10_000, 20, 100)


def url_of(listening: socket.socket) -> str:
    """Where a browser on this machine finds what listens there."""
    host, port = listening.getsockname()[:2]
    if host in {"0.0.0.0", "::"}:  # noqa: S104 (compared, not bound)
        host = "localhost"
    return f"http://{f'[{host}]' if ':' in host else host}:{port}"


class HttpServer(uvicorn.Server):
    """Serves until ``stop`` or ``force`` is called; ``serve([socket])`` returns when the last request has ended.

    The application's own start and end are not its business: run them around it.
    """

    def __init__(
        self,
        application: ASGIApp,
        settings: Settings,
        *,
        when_stopping: Callable[[], None] | None = None,
        when_serving: Callable[[], None] | None = None,
    ) -> None:
        """``when_stopping``: ends what would go on for ever, such as live streams. ``when_serving``: it has begun."""
        config = uvicorn.Config(
            application,
            http=Connection,
            ws="none",
            lifespan="off",
            log_config=None,
            log_level=logging.ERROR,  # what clients do wrong is told to them, and fills no log
            access_log=False,
            server_header=False,
            proxy_headers=bool(settings.trusted_proxies),
            forwarded_allow_ips=list(settings.trusted_proxies),
            limit_concurrency=min(settings.max_connections, _possible_connections()),
            backlog=BACKLOG,
        )
        super().__init__(config)
        self._patience = settings.shutdown_timeout
        self._when_stopping = when_stopping
        self._when_serving = when_serving

    def stop(self) -> None:
        """Take no more requests, and finish those under way."""
        self.should_exit = True

    def force(self) -> None:
        """Do not wait for requests under way any longer."""
        self.should_exit = self.force_exit = True

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Begin to listen."""
        await super().startup(sockets)
        if self._when_serving:
            self._when_serving()

    @contextmanager
    def capture_signals(self) -> Generator[None]:
        """Signals are the business of whoever runs the server."""
        yield

    async def on_tick(self, counter: int) -> bool:
        """Ten times a second."""
        if counter % 10 == 0:
            now = asyncio.get_running_loop().time()
            for connection in self._connections():
                connection.close_if_silent(now)
        return await super().on_tick(counter)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Listen no more, wait for what is under way, for as long as the setting shutdown_timeout says."""
        for server in self.servers:
            server.close()
        for listening in sockets or []:
            listening.close()
        if self._when_stopping:
            self._when_stopping()
        clock = asyncio.get_running_loop().time
        deadline = clock() + self._patience
        while (  # noqa: ASYNC110 (uvicorn keeps sets, and tells nobody)
            self._is_busy() and not self.force_exit and clock() < deadline
        ):
            await asyncio.sleep(LOOK_SECONDS)
        if self._is_busy():
            await self._abandon()
        for server in self.servers:
            await server.wait_closed()

    def _is_busy(self) -> bool:
        for connection in self._connections():
            connection.shutdown()  # closes it once nothing is under way
        return bool(self.server_state.connections or self.server_state.tasks)

    async def _abandon(self) -> None:
        """Close what is left without an answer: its clients know that they do not know what came of it."""
        tasks = list(self.server_state.tasks)
        _log.warning("%d requests did not end in time. Their connections are closed without an answer.", len(tasks))
        with _silent_about_cancellations():
            for connection in self._connections():
                connection.abandon()
            await asyncio.sleep(0)  # so that every connection knows that it is gone
            for task in tasks:
                task.cancel()
            if tasks:
                await asyncio.wait(tasks, timeout=LAST_SECONDS)

    def _connections(self) -> list[Connection]:
        return [each for each in self.server_state.connections if isinstance(each, Connection)]


@contextmanager
def _silent_about_cancellations() -> Generator[None]:
    """There would be traceback in the log for each request that is cancelled, which here is what is wanted."""

    def is_news(record: logging.LogRecord) -> bool:
        return not (record.exc_info and isinstance(record.exc_info[1], asyncio.CancelledError))

    log = logging.getLogger("uvicorn.error")
    log.addFilter(is_news)
    try:
        yield
    finally:
        log.removeFilter(is_news)


def _possible_connections() -> int:
    """How many the system allows this process; it allows more for the asking, up to a hard limit."""
    try:
        import resource
    except ImportError:  # Windows, which has no such limit
        return 1 << 31
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = 65_536 if hard == resource.RLIM_INFINITY else min(hard, 65_536)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        with suppress(OSError, ValueError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
            soft = wanted
    return 1 << 31 if soft == resource.RLIM_INFINITY else max(soft - FILES_FOR_OTHERS, 10)
