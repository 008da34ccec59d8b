"""The peer with its own PostgreSQL module, and its own defaults: up to 15 connections, a lock of the table to append.

Its driver is the same psycopg with its C extension. See ``peer_side`` for what it stores and leaves out, and
``peer_views`` for its read side; here its runner follows a log in the database, as it is meant to.
"""

from __future__ import annotations

from typing import Any

from eventsourcing.persistence import InfrastructureFactory, Tracking
from eventsourcing.postgres import PostgresDatastore, PostgresTrackingRecorder
from eventsourcing.projection import ProjectionRunner
from eventsourcing.utils import Environment
from psycopg.conninfo import conninfo_to_dict
from psycopg.sql import SQL, Identifier

from benchmarks.peer_side import PeerBank
from benchmarks.peer_views import TABLES, PeerProjection, PeerView
from benchmarks.postgres.database import Database

__all__ = ["peer_bank", "peer_runner", "peer_view"]


def peer_bank(database: Database, schema: str) -> PeerBank:
    """The application in a schema; close it after use."""
    return PeerBank(env=_environment(database, schema))


def _environment(database: Database, schema: str) -> dict[str, str]:
    reached = conninfo_to_dict(database.address)
    return {
        "PERSISTENCE_MODULE": "eventsourcing.postgres",
        "POSTGRES_DBNAME": str(reached.get("dbname") or ""),
        "POSTGRES_HOST": str(reached.get("host") or ""),
        "POSTGRES_PORT": str(reached.get("port") or "5432"),
        "POSTGRES_USER": str(reached.get("user") or ""),
        "POSTGRES_PASSWORD": str(reached.get("password") or ""),
        "POSTGRES_SCHEMA": schema,
    }


class PostgresPeerView(PostgresTrackingRecorder, PeerView):
    """Tables of both shapes, of which a projection uses one."""

    def __init__(self, datastore: PostgresDatastore, **options: Any) -> None:
        super().__init__(datastore, **options)
        place = Identifier(datastore.schema)
        self.sql_create_statements += [SQL(table).format(schema=place + SQL(".")) for table in TABLES]
        self._place = f'"{datastore.schema}".'

    def change(self, tracking: Tracking, statement: str, values: tuple[object, ...]) -> None:
        """One statement and the position, in one transaction."""
        written = statement.format(schema=self._place).replace("?", "%s").encode()
        with self.datastore.transaction(commit=True) as cursor:
            self._insert_tracking(cursor, tracking)
            cursor.execute(written, values, prepare=True)


def peer_view(database: Database, schema: str, projection: type[PeerProjection]) -> PostgresPeerView:
    """The view that a runner writes, to ask it; its ``datastore`` is closed after use."""
    environment = Environment(name=projection.__name__, env=_environment(database, schema))
    factory = InfrastructureFactory[PostgresPeerView].construct(env=environment)
    return factory.tracking_recorder(PostgresPeerView)


def peer_runner(
    database: Database, log: str, view: str, projection: type[PeerProjection]
) -> ProjectionRunner[Any, Any]:
    """Start to project the log in one schema into another; leave it (it is a context manager) after use."""
    name = projection.__name__.upper()
    environment = _environment(database, log) | {f"{name}_POSTGRES_SCHEMA": view}
    return ProjectionRunner(
        application_class=PeerBank, projection_class=projection, view_class=PostgresPeerView, env=environment
    )
