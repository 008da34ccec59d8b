"""Opens connections to the database, and says what has to hold for all of them. Used by everything of this engine."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Literal

import psycopg
from psycopg import generators
from psycopg.conninfo import conninfo_to_dict, make_conninfo
from psycopg.pq import ConnStatus, TransactionStatus
from psycopg.pq.abc import PGresult

from everfold.engines.postgres.failures import translate
from everfold.engines.postgres.readiness import readable
from everfold.errors import ConfigurationError, StoreUnavailable

__all__ = ["Connector", "HeldConnection", "Link", "send"]

CONNECT_SECONDS = 10
RETRY_SECONDS = 0.1
DEFAULTS = {
    "connect_timeout": str(CONNECT_SECONDS),
    "application_name": "everfold",
    "client_encoding": "UTF8",
    # A host that vanished is noticed within half a minute, and not after two hours.
    "keepalives_idle": "10",
    "keepalives_interval": "5",
    "keepalives_count": "3",
    "tcp_user_timeout": "30000",
}

NEEDED = {
    "standard_conforming_strings": ("on", "Leave this setting of the server as it comes"),
    "server_encoding": ("UTF8", "Create the database with ENCODING 'UTF8'"),
    "client_encoding": ("UTF8", "Leave it out of the URL"),
}


class HeldConnection(psycopg.Connection[tuple[Any, ...]]):
    """``commit``, ``rollback`` and ``with`` end nothing: only who runs the job does, by statements of its own.

    So whatever is built on the driver (an SQL toolkit above all) can use it as if it were its own connection.
    """

    cache: dict[Any, Any]
    """For whoever uses the connection: what is kept here lives as long as it does."""
    warnings: list[str]
    """What the server warned of since they were last cleared."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self.cache = {}
        self.warnings = []
        self.add_notice_handler(self._note)

    def _note(self, notice: psycopg.errors.Diagnostic) -> None:
        if notice.severity_nonlocalized == "WARNING":
            self.warnings.append(notice.message_primary or "a warning of the server")

    def commit(self) -> None:
        """Nothing: the transaction is committed when the job returns."""

    def rollback(self) -> None:
        """Nothing: the transaction is undone when the job raises."""

    def __exit__(self, *_: object) -> Literal[False]:  # type: ignore[override]
        return False

    def executemany(self, query: str, values: Iterable[Sequence[Any] | Mapping[str, Any]]) -> Any:
        """Execute a statement for each of these, sent together."""
        cursor = self.cursor()
        cursor.executemany(query.encode(), list(values))
        return cursor

    @property
    def in_transaction(self) -> bool:
        """Whether a transaction is under way in which statements can still be executed."""
        return self.pgconn.transaction_status == TransactionStatus.INTRANS


class Connector:
    """Makes connections of one kind."""

    def __init__(self, conninfo: str, *, shown: str) -> None:
        """``shown``: how messages call the database."""
        self.shown = shown
        try:
            given = {key: value for key, value in conninfo_to_dict(conninfo).items() if value is not None}
        except psycopg.ProgrammingError as error:
            if shown.startswith(conninfo):
                raise ConfigurationError(f"The store {shown} is no PostgreSQL URL: {str(error).strip()}.") from error
            raise ConfigurationError(  # what the driver says may have a part of the password
                f"The store {shown} is no PostgreSQL URL. Write characters such as % ? / @ of the password as %XX."
            ) from None
        if "," in str(given.get("host", "")) + str(given.get("port", "")):
            given.setdefault("target_session_attrs", "read-write")  # of several servers, the one that is the primary
        self._conninfo = make_conninfo("", **{**DEFAULTS, **given})
        self.is_pooled = False
        """Whether a pooler is in between, so that two statements may go to two sessions of the server."""

    def past_pooler(self, direct: str | None) -> Connector:
        """One for connections to the server itself, whose ``host:port`` this is; None: there is no other way."""
        if direct is None:
            return self
        host, _, port = direct.partition(":")
        return Connector(make_conninfo(self._conninfo, host=host, **({"port": port} if port else {})), shown=self.shown)

    def connect(self) -> HeldConnection:
        """A connection that leaves transactions to us. It may be used by one thread at a time, any thread."""
        try:
            connection = HeldConnection.connect(self._conninfo, autocommit=True)
        except psycopg.Error as error:
            raise translate(error, self.shown) from error
        try:
            self._check(connection)
        except BaseException:
            connection.close()
            raise
        return connection

    def _check(self, connection: HeldConnection) -> None:
        if self.is_pooled:
            connection.prepare_threshold = None
        for name, (needed, advice) in NEEDED.items():
            if (found := connection.info.parameter_status(name)) not in {needed, None}:
                raise ConfigurationError(f"{self.shown} has {name} = {found}, and a store needs {needed}. {advice}.")

    def look_for_pooler(self, connection: HeldConnection) -> None:
        """A pooler answers for many sessions: the process it names is not the one that works for us."""
        row = connection.execute("SELECT pg_backend_pid()", prepare=False).fetchone()
        self.is_pooled = row is not None and row[0] != connection.info.backend_pid
        if self.is_pooled:
            connection.prepare_threshold = None


class Link:
    """A connection that is made when it is needed, and made again when it was lost. Belongs to one thread at a time."""

    def __init__(self, connector: Connector, *, patience: float) -> None:
        """``patience``: seconds to try to connect again, as after a restart or a failover of the server."""
        self._connector = connector
        self._patience = patience
        self.current: HeldConnection | None = None
        """The connection, if there is one."""
        self.is_closing = False
        """Whether not to try again any more."""

    def use(self) -> HeldConnection:
        """The connection, idle, and alive a moment ago. Raises StoreUnavailable."""
        if self.current and not _is_alive(self.current):
            self.drop()
        if not self.current:
            self.current = self._connect()
        return self.current

    def use_begun(self) -> HeldConnection:
        """The connection, in whose transaction we are."""
        if not self.current:
            raise StoreUnavailable("The connection was lost during a transaction. Nothing was stored. Retry.")
        return self.current

    def _connect(self) -> HeldConnection:
        deadline = time.monotonic() + self._patience
        while True:
            try:
                return self._connector.connect()
            except StoreUnavailable:
                if self.is_closing or time.monotonic() >= deadline:
                    raise
                time.sleep(RETRY_SECONDS)

    def drop(self) -> None:
        """Give the connection up: the server undoes what was not committed on it."""
        if self.current:
            self.current.close()
            self.current = None

    def close(self) -> None:
        """Close the connection; the link is not used any more."""
        self.is_closing = True
        self.drop()


def _is_alive(connection: HeldConnection) -> bool:
    """Whether nothing was heard of the connection's end. An idle connection has nothing else to tell."""
    pgconn = connection.pgconn
    if pgconn.status != ConnStatus.OK:
        return False
    while readable([pgconn.socket], 0):  # why it ended comes before the end itself
        try:
            pgconn.consume_input()
        except psycopg.OperationalError:
            return False
    return pgconn.status == ConnStatus.OK and pgconn.transaction_status == TransactionStatus.IDLE


def send(connection: HeldConnection, message: str) -> list[PGresult]:
    """Have the server do a message of one or more statements, which it begins when all of it has arrived.

    All results there were, also of a message that failed or whose end was never heard of.
    """
    pgconn = connection.pgconn
    pgconn.send_query(message.encode())
    return connection.wait(generators.execute(pgconn))
