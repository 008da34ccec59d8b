"""A wire between a client and its server, to be cut in the middle of what they say. Used in the place of the server."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable
from contextlib import suppress
from types import TracebackType
from typing import Self

__all__ = ["Wire"]

Passes = Callable[[bytes], bool]


class Wire:
    """Passes everything on, until a filter says no: what comes then is held back, and so is all that follows.

    ``to_server`` and ``to_client`` judge each piece; they may be changed at any time, also for what is open already.
    """

    def __init__(self, port: int) -> None:
        self.to_server: Passes = lambda _: True
        self.to_client: Passes = lambda _: True
        self.held = threading.Event()
        """Set when something was held back."""
        self._server_port = port
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listening.getsockname()[1]
        self._open: list[socket.socket] = []
        self._threads = [threading.Thread(target=self._accept)]
        self._threads[0].start()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with suppress(OSError):
            self._listening.shutdown(socket.SHUT_RDWR)
        self._threads[0].join()
        self._listening.close()
        self.cut()
        for thread in self._threads:
            thread.join()
        for end in self._open:
            end.close()

    def cut(self) -> None:
        """End all connections; later ones pass everything again."""
        self.to_server = self.to_client = lambda _: True
        for end in self._open:
            with suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listening.accept()
            except OSError:
                return
            server = socket.create_connection(("127.0.0.1", self._server_port))
            self._open += (client, server)
            for source, target, filter_name in ((client, server, "to_server"), (server, client, "to_client")):
                self._threads.append(threading.Thread(target=self._pass_on, args=(source, target, filter_name)))
                self._threads[-1].start()

    def _pass_on(self, source: socket.socket, target: socket.socket, filter_name: str) -> None:
        is_open = True
        with suppress(OSError):
            while piece := source.recv(65536):
                passes: Passes = getattr(self, filter_name)  # the one there is by now
                is_open = is_open and passes(piece)
                if is_open:
                    target.sendall(piece)
                else:
                    self.held.set()
        with suppress(OSError):
            target.shutdown(socket.SHUT_WR)
