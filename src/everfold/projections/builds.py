"""The builds of a projection: which there are, which one is read, and the switch from one to the next.

A changed projection is built beside the active build and takes its place in one transaction; the old one is kept, so
that going back to the old code is going back to its tables. These functions run in jobs of a read database.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from everfold.engines.driver_errors import is_in_use
from everfold.projections.bound import sql_tables
from everfold.projections.build_tables import drop_tables, show_tables
from everfold.projections.projection import Projection
from everfold.subscriptions.bookkeeping import ConsumerRow, execute, rows, take_turns

__all__ = ["ACTIVE", "BUILDING", "RETIRED", "activate", "builds_of", "create", "discard", "of_code", "readable"]

ACTIVE, BUILDING, RETIRED = "active", "building", "retired"
KEPT_RETIRED = 1


def builds_of(connection: Any, dialect: str, name: str) -> list[ConsumerRow]:
    """Every build of a projection, oldest first."""
    return rows(connection, dialect, "read_builds", ConsumerRow, name=name)


def of_code(builds: Sequence[ConsumerRow], fingerprint: str) -> ConsumerRow | None:
    """The build that this code goes on with: its newest one that is not being made by somebody beside it.

    A build that is still being made counts when this code has no other.
    """
    own = [build for build in builds if build.fingerprint == fingerprint]
    made = [build for build in own if build.state != BUILDING]
    return _last(made or own)


def readable(builds: Sequence[ConsumerRow], fingerprint: str) -> ConsumerRow | None:
    """The build to answer from: this code's own if it was finished once; until then, the active one."""
    own = of_code(builds, fingerprint)
    if own is not None and own.state != BUILDING:
        return own
    return _last([build for build in builds if build.state == ACTIVE]) or own


def _last(builds: Sequence[ConsumerRow]) -> ConsumerRow | None:
    return builds[-1] if builds else None


def create(
    connection: Any, dialect: str, projection: type[Projection], fingerprint: str, state: str, *, recorded: int
) -> ConsumerRow:
    """A new, empty build with tables of its own.

    Its number is one that no other build has. When it depends on which builds there are whether it is wanted, take
    turns before that is looked at.
    """
    take_turns(connection, dialect)
    name = projection.__everfold__.name
    (newest,) = execute(connection, dialect, "newest_build").fetchone()
    build = ConsumerRow(name, newest + 1, fingerprint, state, 0, 0, 0, 0, None, recorded)
    values = {"fingerprint": fingerprint, "state": state, "position": 0, "recorded": recorded}
    execute(connection, dialect, "insert_build", name=name, build=build.build, **values)
    for sql in sql_tables(projection, dialect, build.build).values():
        for statement in sql.statements_to_create():
            connection.execute(statement)
    if state == ACTIVE:
        show_tables(connection, dialect, projection, build.build)
    return build


def activate(
    connection: Any, dialect: str, projection: type[Projection], build: int, *, even_behind: bool = False
) -> bool:
    """Make a build the active one: it is read from now on, and the one before is kept.

    False, and nothing changed: the active build knows more of the log, and readers would go back in time.
    """
    take_turns(connection, dialect)
    name = projection.__everfold__.name
    builds = builds_of(connection, dialect, name)
    position = next((other.position for other in builds if other.build == build), 0)
    others = [other for other in builds if other.state == ACTIVE and other.build != build]
    if not even_behind and any(other.position > position for other in others):
        return False
    for other in others:
        execute(connection, dialect, "set_state", name=name, build=other.build, state=RETIRED)
    execute(connection, dialect, "set_state", name=name, build=build, state=ACTIVE)
    show_tables(connection, dialect, projection, build)
    retired = [other.build for other in builds_of(connection, dialect, name) if other.state == RETIRED]
    for old in retired[:-KEPT_RETIRED]:
        _discard_if_free(connection, dialect, name, old)
    return True


def _discard_if_free(connection: Any, dialect: str, name: str, build: int) -> None:
    """Somebody may still read an old table, for hours perhaps. It is then dropped at a later switch."""
    connection.execute("SAVEPOINT discard")
    try:
        discard(connection, dialect, name, build)
    except Exception as error:
        if not is_in_use(error):
            raise
        connection.execute("ROLLBACK TO discard")
    connection.execute("RELEASE discard")


def discard(connection: Any, dialect: str, name: str, build: int) -> None:
    """Drop the tables of a build, and everything known about it."""
    drop_tables(connection, dialect, build)
    execute(connection, dialect, "delete_parked_of_build", name=name, build=build)
    execute(connection, dialect, "delete_build", name=name, build=build)
