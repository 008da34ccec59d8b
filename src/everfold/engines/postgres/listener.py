"""Hears of the commits of other processes: a thread with a connection that listens. Used by the engine's ``wait``.

A notification is a hint. What is told to those who wait is the head, read after it; it is also read now and then
without any, so that nothing rests on a connection that broke silently, or on a pooler that does not pass notifications.
"""

from __future__ import annotations

import logging
import socket
import threading
from collections.abc import Callable

from everfold.engines.postgres.connection import Connector, HeldConnection
from everfold.engines.postgres.failures import translated
from everfold.engines.postgres.reader import Reader, quoted
from everfold.engines.postgres.readiness import readable

__all__ = ["Listener"]

_log = logging.getLogger("everfold.engines")
FLOOR_SECONDS = 0.5
POLL_SECONDS = 0.02
"""How often the head is read where nobody can listen."""
RETRY_SECONDS = 0.1


class Listener:
    """Calls ``tell`` with the head, from its thread, whenever the log may have grown."""

    def __init__(self, connector: Connector, reader: Reader, channel: str, tell: Callable[[int], None]) -> None:
        self._connector = connector
        self._reader = reader
        self._channel = channel
        self._tell = tell
        self._stopped, self._stop = socket.socketpair()
        self._is_stopping = False
        self._has_failed = False
        self._is_hinted = False
        self._thread = threading.Thread(target=self._work, name="everfold-postgres-listener", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """End the thread and its connection."""
        self._is_stopping = True
        self._stop.send(b"x")
        self._thread.join()
        self._stop.close()
        self._stopped.close()

    def _work(self) -> None:
        while not self._is_stopping:
            try:
                with translated(self._connector.shown):
                    self._follow()
            except Exception as error:  # whatever it is: those who wait rest on this thread
                if not self._has_failed:
                    _log.warning("listening for commits was interrupted and goes on: %s", error)
                self._has_failed = True
                self._pause(RETRY_SECONDS)

    def _follow(self) -> None:
        connection = self._connector.connect()
        try:
            connection.add_notify_handler(self._hear)
            polls = self._has_to_poll(connection)
            if not polls:
                connection.execute(f"LISTEN {quoted(self._channel)}".encode())
            # The first look is behind the LISTEN: nothing falls in between. A standby may become the primary.
            while not self._is_stopping and polls == self._has_to_poll(connection):
                self._is_hinted = False
                self._tell(self._reader.head(connection))
                self._has_failed = False
                self._await_hint(connection)
        finally:
            connection.close()

    def _has_to_poll(self, connection: HeldConnection) -> bool:
        """Neither a pooler nor a standby passes on what is told."""
        return self._connector.is_pooled or connection.info.parameter_status("in_hot_standby") == "on"

    def _hear(self, _: object) -> None:
        """Also called while the head is read: then it is read once more."""
        self._is_hinted = True

    def _await_hint(self, connection: HeldConnection) -> None:
        if self._has_to_poll(connection):
            self._pause(POLL_SECONDS)
            return
        pgconn = connection.pgconn
        sockets = [pgconn.socket, self._stopped.fileno()]
        if not self._is_hinted and pgconn.socket in readable(sockets, FLOOR_SECONDS):
            pgconn.consume_input()
        while pgconn.notifies():  # any number of hints is one
            pass

    def _pause(self, seconds: float) -> None:
        readable([self._stopped.fileno()], seconds)
