"""A PostgreSQL server of one's own, to use, stop, kill, restart and replace by its standby. Tests of the engine use it.

    with PostgresServer() as server:
        bank = App("bank", store=server.url(schema="bank"))

On its own data directory, a Unix socket and a port of 127.0.0.1; the only user is ``postgres``, who needs no password.
"""

import ctypes
import os
import signal
import subprocess
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from types import TracebackType
from typing import Any, Literal, Self
from urllib.parse import quote, urlencode

import psutil
import psycopg

from tests.postgres.programs import Workplace, free_port, postgres

__all__ = ["PATIENCE", "PostgresServer", "is_alive", "url_at", "url_of_any"]

PATIENCE = 60.0
STOPS = {"smart": signal.SIGTERM, "fast": signal.SIGINT, "immediate": signal.SIGQUIT}
RECOVERS = "all server processes terminated; reinitializing"

# Small; in files that go with the directory, not in memory that a killed server leaves behind; quick to reconnect.
SETTINGS = {
    "shared_buffers": "16MB",
    "max_connections": "200",
    "dynamic_shared_memory_type": "mmap",
    "wal_retrieve_retry_interval": "100ms",
}


class PostgresServer:
    """One server and its data. ``with`` starts it, and sees to it that both are gone afterwards.

    What it confirms it has on disk, unless told otherwise: ``PostgresServer({"fsync": "off"})`` is faster.
    """

    def __init__(
        self, settings: Mapping[str, str] | None = None, *, copied_from: "PostgresServer | None" = None
    ) -> None:
        self.programs = postgres()
        self.port = free_port()
        self.name = f"server_{self.port}"
        self._place = Workplace("postgres")
        self.directory = self._place.path
        self.data = self.directory / "data"
        self._process: subprocess.Popen[bytes] | None = None
        try:
            if copied_from:
                self._copy(copied_from)
            else:
                self._initialise()
            self.configure(**(SETTINGS if copied_from is None else {}), **(settings or {}))
        except BaseException:
            self.close()
            raise

    @classmethod
    def standby_of(cls, primary: "PostgresServer", settings: Mapping[str, str] | None = None) -> Self:
        """A running synchronous standby: from now on the primary confirms only what both have on disk."""
        standby = cls(settings, copied_from=primary)
        try:
            standby.start()
            primary.configure(synchronous_standby_names=standby.name)
            state = b"SELECT 1 FROM pg_stat_replication WHERE application_name = %s AND sync_state = 'sync'"
            primary.wait(lambda: bool(primary.execute(state, standby.name)), "the standby to follow")
        except BaseException:
            standby.close()
            raise
        return standby

    def __enter__(self) -> Self:
        try:
            if self._process is None:
                self.start()
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    # --- reach it -----------------------------------------------------------------------------

    @property
    def dsn(self) -> str:
        """How libpq finds it."""
        return f"host=127.0.0.1 port={self.port} user=postgres dbname=postgres"

    def url(self, **parameters: str | int) -> str:
        """Its address as a store: ``url(schema="bank", pool=4)``."""
        return url_at(self.port, **parameters)

    def connect(self) -> psycopg.Connection[tuple[Any, ...]]:
        """A connection that commits each statement."""
        return psycopg.connect(self.dsn, host=str(self.directory), autocommit=True, connect_timeout=10)

    def execute(self, statement: str | bytes, *parameters: object) -> list[tuple[Any, ...]]:
        """Run one statement, on a connection of its own; its rows."""
        query = statement.encode() if isinstance(statement, str) else statement
        with self.connect() as connection:
            cursor = connection.execute(query, parameters or None)
            return cursor.fetchall() if cursor.description else []

    def backends(self, application: str | None = None) -> list[int]:
        """The processes that serve all clients, or one ``application_name``; those just closed may still show."""
        found = self.execute(
            b"SELECT pid FROM pg_stat_activity WHERE backend_type = 'client backend' AND pid <> pg_backend_pid()"
            b" AND application_name = coalesce(%s, application_name) ORDER BY backend_start",
            application,
        )
        return [pid for (pid,) in found]

    @property
    def log(self) -> str:
        """All it has said."""
        return self._place.log

    # --- start, stop, kill --------------------------------------------------------------------

    @property
    def process(self) -> subprocess.Popen[bytes]:
        """Its first process, the parent of the others."""
        assert self._process, "the server does not run"
        return self._process

    def start(self) -> None:
        """Start it, again with the data and on the port it had; it answers when this returns."""
        assert self._process is None, "the server runs already"
        self._process = self._place.start(
            str(self.programs.directory / "postgres"),
            *("-D", str(self.data), "-p", str(self.port)),
            *("-c", "listen_addresses=127.0.0.1", "-c", f"unix_socket_directories={self.directory}"),
        )
        try:
            self.wait_until_ready()
        except BaseException:
            self._end()
            raise

    def wait_until_ready(self) -> None:
        """Return once it accepts connections."""

        def answers() -> bool:
            assert self.process.poll() is None, f"the server has ended:\n{self.log[-4000:]}"
            with suppress(psycopg.OperationalError):
                return self.execute(b"SELECT 1") == [(1,)]
            return False

        self.wait(answers, "the server to answer")

    def stop(self, mode: Literal["fast", "immediate", "smart"] = "fast") -> None:
        """Stop it: ``fast`` ends transactions, ``immediate`` ends like a crash, ``smart`` waits for the clients."""
        self.process.send_signal(STOPS[mode])
        self.process.send_signal(signal.SIGCONT)
        self.process.wait(PATIENCE)
        self._gone()

    def kill9(self) -> None:
        """Kill all of its processes at once. Nothing is left of them that could keep the next start from working."""
        process = self.process
        process.send_signal(signal.SIGSTOP)  # so that it starts no process while they are looked up
        self.wait(lambda: process.poll() is not None or _state(process.pid) == psutil.STATUS_STOPPED, "it to stop")
        family = [found for found in psutil.process_iter(["cwd"]) if found.info["cwd"] == str(self.data)]
        for member in family:
            with suppress(psutil.NoSuchProcess):
                member.kill()
        process.kill()
        process.wait(PATIENCE)
        self.wait(lambda: not any(is_alive(member) for member in family), "the server's processes to end")
        self._gone()
        self._remove_traces()

    def kill_process(self, pid: int) -> None:
        """Kill one of its processes: it ends the others, which ends all connections, and recovers. Then it answers."""
        said = self.log.count(RECOVERS)
        os.kill(pid, signal.SIGKILL)
        self.wait(lambda: self.log.count(RECOVERS) > said, "the server to notice")
        self.wait_until_ready()

    def close(self) -> None:
        """Stop it and remove its data."""
        try:
            if self._process:
                self._end()
        finally:
            self._place.close()

    # --- settings and standbys ----------------------------------------------------------------

    def configure(self, **settings: str) -> None:
        """Change its settings. When it runs they are in force when this returns; it must not for those of a start."""
        file = self.data / "postgresql.conf"
        before = file.read_text()
        added = ("{} = '{}'\n".format(name, value.replace("'", "''")) for name, value in settings.items())
        file.write_text(before + "".join(added))
        if self._process:
            refused = self.execute(b"SELECT name, error FROM pg_file_settings WHERE error IS NOT NULL")
            if refused:
                file.write_text(before)
            assert not refused, f"the server does not take these settings while it runs: {refused}"
            self._reload()

    def promote(self) -> None:
        """Make this standby the primary, which waits for no standby: not even for one it has inherited."""
        self.configure(synchronous_standby_names="")
        assert self.execute(b"SELECT pg_promote(wait => true)") == [(True,)], self.log[-4000:]

    def wait(self, done: Callable[[], bool], what: str) -> None:
        """Wait for it, and fail when it takes too long."""
        deadline = time.monotonic() + PATIENCE
        while not done():
            assert time.monotonic() < deadline, f"waited too long for {what}:\n{self.log[-4000:]}"
            time.sleep(0.02)

    def _initialise(self) -> None:
        # Elsewhere words sort otherwise than by their bytes: nothing may count on it, so they do here when they can.
        order = ["--locale-provider=icu", "--icu-locale=en-US"] if self.programs.knows_icu else []
        encoding = ["--encoding=UTF8", "--locale=C", *order]
        options = ["--username=postgres", "--auth=trust", "--data-checksums", "--no-sync", "--no-instructions"]
        self.programs.run("initdb", f"--pgdata={self.data}", *encoding, *options)

    def _reload(self) -> None:
        loaded = b"SELECT pg_conf_load_time()"
        before = self.execute(loaded)
        self.process.send_signal(signal.SIGHUP)
        self.wait(lambda: self.execute(loaded) > before, "the settings to be read")

    def _copy(self, primary: "PostgresServer") -> None:
        source = f"host={primary.directory} port={primary.port} user=postgres application_name={self.name}"
        options = ["--write-recovery-conf", "--create-slot", f"--slot={self.name}", "--checkpoint=fast", "--no-sync"]
        self.programs.run("pg_basebackup", f"--pgdata={self.data}", f"--dbname={source}", *options)

    def _end(self) -> None:
        if self.process.poll() is None:
            with suppress(subprocess.TimeoutExpired):
                self.stop("immediate")
                return
        self.kill9()

    def _gone(self) -> None:
        self._process = None
        self._place.ended()

    def _remove_traces(self) -> None:
        """What only an orderly end removes: a bit of memory, and lock files whose process ids somebody else may get."""
        lock = self.data / "postmaster.pid"
        if lock.exists() and len(lines := lock.read_text().splitlines()) > 6 and len(words := lines[6].split()) == 2:
            ctypes.CDLL(None).shmctl(int(words[1]), 0, None)
        for file in (lock, *self.directory.glob(".s.PGSQL.*")):
            file.unlink(missing_ok=True)


def url_of_any(*servers: PostgresServer, **parameters: str | int) -> str:
    """The address of whichever server answers first, or is the primary: ``target_session_attrs="read-write"``."""
    return url_at(*(server.port for server in servers), **parameters)


def url_at(*ports: int, **parameters: str | int) -> str:
    """The address of a store at these ports."""
    hosts = ",".join(f"127.0.0.1:{port}" for port in ports)
    asked = urlencode(parameters, quote_via=quote)
    return f"postgresql://postgres@{hosts}/postgres" + (f"?{asked}" if asked else "")


def is_alive(process: psutil.Process) -> bool:
    """A process nobody has asked about is dead all the same."""
    return process.is_running() and _state(process.pid) != psutil.STATUS_ZOMBIE


def _state(pid: int) -> str:
    try:
        return str(psutil.Process(pid).status())
    except psutil.NoSuchProcess:
        return psutil.STATUS_ZOMBIE
