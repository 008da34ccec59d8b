"""A pgbouncer in front of a PostgreSQL server, in transaction mode: each transaction may get another connection."""

import os
import shutil
import subprocess
import time
from contextlib import suppress
from types import TracebackType
from typing import Self

import psycopg

from tests.postgres.programs import Workplace, free_port
from tests.postgres.server import PATIENCE, PostgresServer, url_at
from tests.required_engines import missing

__all__ = ["Pooler"]

SETTINGS = """
[databases]
* = host=127.0.0.1 port={server}
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = {port}
unix_socket_dir =
auth_type = trust
auth_file = {users}
pool_mode = transaction
default_pool_size = {size}
max_client_conn = 1000
"""


class Pooler:
    """``with Pooler(server, size=5) as pooler``; without the program the test is skipped.

    All else is as pgbouncer has it by itself: unknown startup parameters are refused, ``options`` among them.
    """

    def __init__(self, server: PostgresServer, *, size: int = 5) -> None:
        self._program = shutil.which("pgbouncer", path=f"{os.environ.get('PATH', '')}:/usr/sbin")
        if self._program is None:
            missing("pgbouncer", "pgbouncer is not installed: apt-get install --no-install-recommends pgbouncer")
        self.port = free_port()
        self._place = Workplace("pooler")
        self._process: subprocess.Popen[bytes] | None = None
        users = self._place.path / "users"
        users.write_text('"postgres" ""\n')
        settings = SETTINGS.format(server=server.port, port=self.port, users=users, size=size)
        (self._place.path / "settings.ini").write_text(settings)

    def __enter__(self) -> Self:
        try:
            self.start()
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    @property
    def dsn(self) -> str:
        """How libpq finds it."""
        return f"host=127.0.0.1 port={self.port} user=postgres dbname=postgres"

    def url(self, **parameters: str | int) -> str:
        """The address of a store behind it."""
        return url_at(self.port, **parameters)

    @property
    def process(self) -> subprocess.Popen[bytes]:
        """Its process, to stop or to kill."""
        assert self._process, "the pooler does not run"
        return self._process

    @property
    def log(self) -> str:
        """All it has said."""
        return self._place.log

    def start(self) -> None:
        """Start it, again on the port it had; the server answers through it when this returns."""
        assert self._program
        assert self._process is None, "the pooler runs already"
        self._process = self._place.start(self._program, str(self._place.path / "settings.ini"))
        deadline = time.monotonic() + PATIENCE
        while not self._answers():
            assert self._process.poll() is None, f"the pooler has ended:\n{self.log}"
            assert time.monotonic() < deadline, f"the pooler does not answer:\n{self.log}"
            time.sleep(0.02)

    def kill9(self) -> None:
        """Kill it: its clients lose their connections."""
        self.process.kill()
        self.process.wait(PATIENCE)
        self._process = None
        self._place.ended()

    def close(self) -> None:
        """End it."""
        if self._process:
            self.kill9()
        self._place.close()

    def _answers(self) -> bool:
        with suppress(psycopg.OperationalError), psycopg.connect(self.dsn, connect_timeout=10) as connection:
            return connection.execute(b"SELECT 1").fetchone() == (1,)
        return False
