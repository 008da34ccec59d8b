"""What ``doctor`` has to say about a store in PostgreSQL: the server and its settings, its sessions, the schema.

Looked up as the user of the store's URL, who may not see everything: what is hidden from it is told as a note.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping
from contextlib import closing
from functools import partial
from typing import TYPE_CHECKING, Any

import msgspec

from everfold.cli.checkup import Finding, clock_and_head, size_text
from everfold.engines.statements import load_statements

if TYPE_CHECKING:
    from everfold.engines.postgres.connection import HeldConnection
    from everfold.engines.postgres.engine import PostgresEngine
    from everfold.engines.postgres.store_url import StoreUrl

__all__ = ["Facts", "Session", "Standby", "findings", "postgres_store"]

OLDEST_TESTED = 15
LONG_SECONDS = 300.0
MANY_CONNECTIONS = 0.8
_SQL = load_statements("everfold.cli", "postgres_checkup.sql")
_ON = ("on", "yes", "true", "1")


class Session(msgspec.Struct, frozen=True):
    """A transaction that has been open for long. ``pid`` None: a prepared one."""

    pid: int | None
    who: str
    state: str
    seconds: float


class Standby(msgspec.Struct, frozen=True):
    """A server that follows this one."""

    name: str
    state: str | None
    sync_state: str | None


class Facts(msgspec.Struct, frozen=True, kw_only=True):
    """What was looked up."""

    version: int
    driver: str
    is_pooled: bool
    direct: str | None
    """Why the server is not reached past the pooler: empty when it is; None when the URL knows no such way."""
    is_standby: bool
    settings: Mapping[str, str]
    sessions: tuple[Session, ...]
    """Those with the oldest transactions, oldest first."""
    hidden_sessions: int
    """Those of other users, whose transactions this one may not see."""
    standbys: tuple[Standby, ...]
    idle_slots: tuple[str, ...]
    connections: int
    invalid_indexes: tuple[str, ...]
    unvacuumed_tables: tuple[str, ...]
    sizes: tuple[int, int]
    """Of the log with all that belongs to it, and of everything else in the schema."""
    schema_version: tuple[int, int]
    role: tuple[str, bool, bool]
    """The user, whether it is a superuser, and whether it may append."""


async def postgres_store(engine: PostgresEngine) -> list[Finding]:
    """The findings. The engine is open; nothing is changed."""
    direct = await asyncio.to_thread(_try_direct, engine.url)
    facts = await engine.views.read(partial(_look, schema=engine.url.schema, direct=direct))
    return [*findings(facts), *await clock_and_head(engine)]


def findings(facts: Facts) -> Iterator[Finding]:
    """What there is to say about these facts."""
    yield _server(facts)
    yield Finding("driver", "ok", facts.driver)
    yield Finding("schema version", "ok", _schema_version(facts))
    yield _role(facts)
    log, others = facts.sizes
    yield Finding("size", "ok", f"{size_text(log)}, and {size_text(others)} of read models")
    yield from _durability(facts)
    yield from _replication(facts)
    yield _transactions(facts)
    yield _vacuum(facts)
    yield _indexes(facts)
    yield _connections(facts)
    yield _way(facts)


def _server(facts: Facts) -> Finding:
    major, minor = divmod(facts.version, 10_000)
    found = f"PostgreSQL {major}.{minor}, {facts.settings['server_encoding']}"
    if facts.is_standby:
        advice = "Nothing can be stored there. Give the primary, or all hosts: postgresql://user@one,two/database."
        return Finding("server", "warning", f"{found}, a standby", advice)
    if major < OLDEST_TESTED:
        advice = f"everfold is tested with {OLDEST_TESTED} and newer. Upgrade the server."
        return Finding("server", "warning", found, advice)
    return Finding("server", "ok", found)


def _schema_version(facts: Facts) -> str:
    version, compatible = facts.schema_version
    return f"{version}" if version == compatible else f"{version}, for programs that know {compatible} or newer"


def _role(facts: Facts) -> Finding:
    name, is_superuser, may_append = facts.role
    if not may_append:
        advice = f'Enough to look. To append it needs more: GRANT INSERT ON ALL TABLES IN SCHEMA ... TO "{name}".'
        return Finding("role", "note", f"{name}, who may only read", advice)
    if is_superuser:
        advice = "An application needs no such rights. Give it a role of its own, which owns its schema."
        return Finding("role", "note", f"{name}, a superuser", advice)
    return Finding("role", "ok", name)


def _durability(facts: Facts) -> Iterator[Finding]:
    lost = "A power cut can lose what was acknowledged, or damage everything. Set it to on."
    fsync = facts.settings["fsync"]
    yield Finding("fsync", "ok" if fsync == "on" else "failed", fsync, "" if fsync == "on" else lost)
    torn = (
        "A power cut can leave half-written pages. Set it to on, unless the file system writes pages as a whole (ZFS)."
    )
    pages = facts.settings["full_page_writes"]
    yield Finding("full_page_writes", "ok" if pages == "on" else "warning", pages, "" if pages == "on" else torn)
    yield _synchronous_commit(facts)
    sums = facts.settings["data_checksums"]
    advice = (
        "" if sums == "on" else "The server notices no damage on its disk. Stop it once, and: pg_checksums --enable."
    )
    yield Finding("data checksums", "ok" if sums == "on" else "note", sums, advice)


def _synchronous_commit(facts: Facts) -> Finding:
    check, level = "synchronous_commit", facts.settings["synchronous_commit"]
    if level == "off":
        return Finding(check, "ok", "off, but on for every append: everfold's own transactions say so themselves")
    if level in {"local", "remote_write"} and facts.settings["synchronous_standby_names"]:
        what = "are not waited for by commits" if level == "local" else "confirm before they have it on disk"
        advice = "A failover can lose what was acknowledged. Set it to on for this database: ALTER DATABASE ... SET."
        return Finding(check, "warning", f"{level}: standbys {what}", advice)
    return Finding(check, "ok", level)


def _replication(facts: Facts) -> Iterator[Finding]:
    level = facts.settings["wal_level"]
    if level == "minimal":
        advice = "Neither a standby nor a backup up to the last commit is possible. Set it to replica, and restart."
        yield Finding("wal_level", "warning", level, advice)
    else:
        yield Finding("wal_level", "ok", level)
    yield _standbys(facts)
    if facts.idle_slots:
        advice = (
            "The server keeps all of its log for them until its disk is full: SELECT pg_drop_replication_slot(...)."
        )
        yield Finding("replication slots", "warning", f"nobody reads {', '.join(facts.idle_slots)}", advice)


def _standbys(facts: Facts) -> Finding:
    check, wanted = "standbys", facts.settings["synchronous_standby_names"]
    names = ", ".join(sorted(standby.name for standby in facts.standbys))
    synchronous = [standby.name for standby in facts.standbys if standby.sync_state in {"sync", "quorum"}]
    if not facts.standbys:
        if not wanted or facts.is_standby:
            return Finding(check, "ok", "none")
        advice = "Every append waits until one is there. Start it, or empty synchronous_standby_names."
        return Finding(check, "warning", f"none, but {wanted} is waited for", advice)
    if not wanted:
        advice = (
            "When this server is lost, so are the commits they had not heard of. Have commits wait for one: "
            f"synchronous_standby_names = 'ANY 1 ({names or '...'})'."
        )
        return Finding(check, "warning", f"{names}: none of them synchronous", advice)
    if not synchronous and all(standby.sync_state is not None for standby in facts.standbys):
        advice = "Every append waits until one of those in synchronous_standby_names is there. Compare the names."
        return Finding(check, "warning", f"{names}, but {wanted} is waited for", advice)
    return Finding(check, "ok", f"{names}; commits wait for {wanted}")


def _transactions(facts: Facts) -> Finding:
    check = "long transactions"
    old = [session for session in facts.sessions if session.seconds >= LONG_SECONDS]
    if old:
        told = "; ".join(_session(session) for session in old[:3])
        more = f" (and {len(old) - 3} more)" if len(old) > 3 else ""
        return Finding(check, "warning", f"{told}{more}", _ending(old))
    oldest = f"the oldest is {facts.sessions[0].seconds:,.0f} s old" if facts.sessions else "none"
    if facts.hidden_sessions:
        advice = "Let this user see them: GRANT pg_read_all_stats TO ..."
        return Finding(check, "note", f"{oldest}, but {facts.hidden_sessions} sessions of others are hidden", advice)
    return Finding(check, "ok", oldest)


def _session(session: Session) -> str:
    by = f"process {session.pid}" if session.pid is not None else "prepared"
    return f"{session.seconds:,.0f} s: {session.who} ({by}, {session.state})"


def _ending(old: list[Session]) -> str:
    """Appends are not held up by them, but nothing in the whole database is cleaned up behind them."""
    what = "Nothing that changed since is cleaned up, so tables of read models grow and slow down. "
    first = old[0]
    if first.pid is None:
        return f"{what}End it: ROLLBACK PREPARED '{first.who}'."
    idle = "; idle_in_transaction_session_timeout prevents it" if first.state.startswith("idle") else ""
    return f"{what}End it: SELECT pg_terminate_backend({first.pid}){idle}."


def _vacuum(facts: Facts) -> Finding:
    check, needed = "autovacuum", ("autovacuum", "track_counts")
    missing = [name for name in needed if facts.settings[name] not in _ON]
    if missing:
        advice = "Tables of read models would grow for ever, and queries slow down. Set it to on."
        return Finding(check, "warning", f"{missing[0]} is off", advice)
    if facts.unvacuumed_tables:
        advice = f"They grow for ever: ALTER TABLE {facts.unvacuumed_tables[0]} RESET (autovacuum_enabled)."
        return Finding(check, "warning", f"off for {', '.join(facts.unvacuumed_tables)}", advice)
    return Finding(check, "ok", "on")


def _indexes(facts: Facts) -> Finding:
    if not facts.invalid_indexes:
        return Finding("indexes", "ok", "all valid")
    advice = (
        f"They are written and never read, and guard nothing: REINDEX INDEX CONCURRENTLY {facts.invalid_indexes[0]}."
    )
    return Finding("indexes", "failed", f"not valid: {', '.join(facts.invalid_indexes)}", advice)


def _connections(facts: Facts) -> Finding:
    limit = int(facts.settings["max_connections"])
    usable = limit - int(facts.settings["superuser_reserved_connections"])
    found = f"{facts.connections} of {limit} used"
    if facts.connections < usable * MANY_CONNECTIONS:
        return Finding("connections", "ok", found)
    advice = "New processes may find none. Raise max_connections, lower pool_size, or put a pooler in between."
    return Finding("connections", "warning", found, advice)


def _way(facts: Facts) -> Finding:
    check = "way to the server"
    if not facts.is_pooled:
        return Finding(check, "ok", "direct")
    if facts.direct:
        advice = "Nobody is woken by the commits of other processes. Mend direct= in the URL, or leave it out."
        return Finding(check, "failed", f"through a pooler, but not past it: {facts.direct}", advice)
    if facts.direct is not None:
        return Finding(check, "ok", "through a pooler; commits of others are heard of directly")
    advice = (
        "Commits of other processes are noticed by asking 50 times a second, as LISTEN goes through no pooler. To "
        "listen, add the server's own address to the URL: &direct=HOST:PORT."
    )
    return Finding(check, "note", "through a pooler of connections", advice)


# --- looking up


def _try_direct(url: StoreUrl) -> str | None:
    from everfold.engines.postgres.connection import Connector
    from everfold.errors import EverfoldError

    if url.direct is None:
        return None
    connector = Connector(url.conninfo, shown=url.direct).past_pooler(url.direct)
    try:
        connection = connector.connect()
    except EverfoldError as error:
        return str(error)
    with closing(connection):
        connector.look_for_pooler(connection)
    return f"{url.direct} is a pooler, too" if connector.is_pooled else ""


def _look(connection: HeldConnection, *, schema: str, direct: str | None) -> Facts:
    import psycopg

    def ask(name: str) -> list[tuple[Any, ...]]:
        return connection.execute(_SQL[name].encode(), {"schema": schema}).fetchall()

    (about,) = ask("about")
    pid, is_standby, connections, hidden, *role = about
    (sizes,), (store,) = ask("sizes"), ask("store")
    library = "{}.{}".format(*divmod(psycopg.pq.version(), 10_000))
    return Facts(
        version=connection.info.server_version,
        driver=f"psycopg {psycopg.__version__} on libpq {library}",
        is_pooled=pid != connection.info.backend_pid,
        direct=direct,
        is_standby=is_standby,
        settings={name: value for name, value in ask("settings")},
        sessions=tuple(Session(*row) for row in ask("sessions")),
        hidden_sessions=hidden,
        standbys=tuple(Standby(*row) for row in ask("standbys")),
        idle_slots=tuple(name for (name,) in ask("idle_slots")),
        connections=connections,
        invalid_indexes=tuple(name for (name,) in ask("invalid_indexes")),
        unvacuumed_tables=tuple(name for (name,) in ask("unvacuumed_tables")),
        sizes=(int(sizes[0]), int(sizes[1])),
        schema_version=(store[0], store[1]),
        role=(role[0], role[1], role[2]),
    )
