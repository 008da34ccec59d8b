"""Creates and upgrades the tables, and refuses schemas that are not ours, or newer, leaving them untouched.

Upgrades only add, so that processes of the version before go on while a rolling restart is under way: each script says
on its first line from which version on programs can work with what it leaves behind.
"""

from __future__ import annotations

import re
import time

import psycopg

from everfold.engines.postgres.connection import HeldConnection
from everfold.engines.postgres.failures import translated
from everfold.engines.postgres.reader import Reader
from everfold.engines.postgres.transactions import BEGIN
from everfold.engines.statements import load_upgrades
from everfold.errors import NotAStore, StoreTooNew

__all__ = ["UPGRADES", "schema_version", "upgrade"]

UPGRADES = load_upgrades("everfold.engines.postgres")
STEP_SECONDS = 2.0
"""How long an upgrade waits for a lock before it lets the others pass and tries again."""
_COMPATIBLE = re.compile(r"-- compatible with: (\d+)")


def schema_version(reader: Reader, connection: HeldConnection) -> tuple[int, int]:
    """How many upgrades the schema has seen, and the oldest program that can work with it. Zeros: there is no store."""
    if not reader.execute(connection, "find_store", name=reader.name).fetchone()[0]:
        return 0, 0
    version, compatible = reader.execute(connection, "read_store").fetchone() or (0, 0)
    return version, compatible


def upgrade(connection: HeldConnection, schema: str, shown: str, *, patience: float) -> None:
    """Run the upgrades that are missing, each in a transaction of its own. Several processes may do so at once.

    ``patience``: seconds to wait for locks of others.
    """
    reader = Reader(schema)
    with translated(shown):
        version, compatible = schema_version(reader, connection)
        if compatible > len(UPGRADES):
            raise StoreTooNew(version, len(UPGRADES))
        if version == 0:
            _refuse_foreign(reader, connection, shown)
        deadline = time.monotonic() + patience
        for number in range(version + 1, len(UPGRADES) + 1):
            while not _run(reader, connection, number, is_last=time.monotonic() > deadline):
                pass


def _run(reader: Reader, connection: HeldConnection, number: int, *, is_last: bool) -> bool:
    """Whether it was done, and not held up by somebody's lock."""
    connection.execute(BEGIN)
    try:
        connection.execute(f"SET LOCAL lock_timeout = {int(STEP_SECONDS * 1000)}".encode())
        connection.execute("SELECT pg_advisory_xact_lock(hashtextextended(%s, 0))", [f"everfold upgrade {reader.name}"])
        if schema_version(reader, connection)[0] < number:  # while we waited, others may have done it
            _execute(reader, connection, number)
        connection.execute("COMMIT")
    except (psycopg.errors.LockNotAvailable, psycopg.errors.DeadlockDetected):
        connection.execute("ROLLBACK")
        if is_last:
            raise
        return False
    except BaseException:
        if not connection.closed:
            connection.execute("ROLLBACK")
        raise
    return True


def _execute(reader: Reader, connection: HeldConnection, number: int) -> None:
    script = UPGRADES[number - 1]
    if number == 1:
        if connection.execute("SELECT to_regnamespace(%s)::text", [reader.schema]).fetchone() == (None,):
            connection.execute(f"CREATE SCHEMA {reader.schema}".encode())  # who may not, need not if it is there
        reader.execute(connection, "create_store")
    else:
        reader.lock(connection)  # first, as those do who append: so neither waits for the other with a table in hand
    connection.execute(script.replace("{schema}", reader.schema).encode())
    compatible = _COMPATIBLE.match(script)
    reader.execute(connection, "insert_store", version=number, compatible=int(compatible[1]) if compatible else number)


def _refuse_foreign(reader: Reader, connection: HeldConnection, shown: str) -> None:
    is_store, relations = reader.execute(connection, "find_store", name=reader.name).fetchone()
    if relations and not is_store:  # others may have made it just now
        raise NotAStore(
            f"{shown}: the schema {reader.name!r} holds tables of somebody else. It was left untouched; give the store "
            "a schema of its own: ...?schema=NAME."
        )
