"""Builds: which one is read, the switch to the next, and the way back. Nobody who reads goes back in time."""

from __future__ import annotations

from collections.abc import Generator
from typing import Any

import pytest

from everfold.projections.builds import (
    ACTIVE,
    BUILDING,
    RETIRED,
    activate,
    builds_of,
    create,
    discard,
    of_code,
    readable,
)
from everfold.projections.projection import Projection
from everfold.subscriptions.bookkeeping import ConsumerRow, execute, prepare
from tests.projections.changed import Bare
from tests.projections.ledger import Ledger
from tests.projections.tables import database, dialect_of, tables_in

pytestmark = pytest.mark.usefixtures("dialect")


@pytest.fixture
def connection() -> Generator[Any]:
    with database() as connection:
        prepare(connection, dialect_of(connection))
        yield connection


def build(connection: Any, code: str, state: str, *, at: int = 0, of: type[Projection] = Ledger) -> ConsumerRow:
    made = create(connection, dialect_of(connection), of, code, state, recorded=0)
    execute(
        connection,
        dialect_of(connection),
        "advance",
        name="ledger",
        build=made.build,
        position=at,
        changed=at,
        recorded=0,
    )
    return made


def switch(connection: Any, number: int, *, of: type[Projection] = Ledger, **options: Any) -> bool:
    return activate(connection, dialect_of(connection), of, number, **options)


def states(connection: Any) -> dict[int, str]:
    return {row.build: row.state for row in builds_of(connection, dialect_of(connection), "ledger")}


def tables(connection: Any) -> list[str]:
    return [name for name in tables_in(connection) if not name.startswith("everfold")]


def put(connection: Any, number: int, owner: str) -> None:
    connection.execute(f"INSERT INTO owner__{number} VALUES ('{owner}', 0, 0)")  # noqa: S608


def shown(connection: Any) -> list[str]:
    """What people see who know nothing of builds."""
    return [owner for (owner,) in connection.execute("SELECT owner FROM owner ORDER BY owner")]


def test_each_build_has_tables_of_its_own_and_the_active_one_the_plain_names(connection: Any) -> None:
    build(connection, "old", ACTIVE)
    put(connection, 1, "Ann")
    assert shown(connection) == ["Ann"]
    build(connection, "new", BUILDING)
    put(connection, 2, "Bob")
    assert shown(connection) == ["Ann"]
    assert tables(connection) == ["balance__1", "balance__2", "owner__1", "owner__2"]
    assert switch(connection, 2)
    assert shown(connection) == ["Bob"]
    assert states(connection) == {1: RETIRED, 2: ACTIVE}


def test_it_refuses_to_go_back_in_time(connection: Any) -> None:
    build(connection, "old", ACTIVE, at=10)
    build(connection, "new", BUILDING, at=9)
    assert not switch(connection, 2)
    assert states(connection) == {1: ACTIVE, 2: BUILDING}
    assert shown(connection) == []
    put(connection, 2, "Bob")
    assert shown(connection) == []
    assert switch(connection, 2, even_behind=True)
    assert shown(connection) == ["Bob"]


def test_as_far_is_far_enough(connection: Any) -> None:
    build(connection, "old", ACTIVE, at=10)
    build(connection, "new", BUILDING, at=10)
    assert switch(connection, 2)
    assert switch(connection, 2), "twice is once"
    assert states(connection) == {1: RETIRED, 2: ACTIVE}


def test_the_last_retired_build_is_kept_and_those_before_are_dropped(connection: Any) -> None:
    for number in range(1, 5):
        build(connection, f"code {number}", BUILDING)
        assert switch(connection, number)
    assert states(connection) == {3: RETIRED, 4: ACTIVE}
    assert tables(connection) == ["balance__3", "balance__4", "owner__3", "owner__4"]
    assert switch(connection, 3), "the way back"
    assert states(connection) == {3: ACTIVE, 4: RETIRED}


def test_what_is_dropped_leaves_nothing(connection: Any) -> None:
    """Also tables that today's code does not know."""
    made = build(connection, "old", ACTIVE)
    parked = {"position": 1, "stream": "a", "type": "t", "state": "parked", "attempts": 1, "parked": 0}
    for number in (1, 2):
        values = {**parked, "error": "", "traceback": "", "build": number, "name": "ledger"}
        execute(connection, dialect_of(connection), "insert_parked", **values)
    build(connection, "new", BUILDING, of=Bare)
    discard(connection, dialect_of(connection), "ledger", made.build)
    assert tables(connection) == ["balance__2"]
    assert states(connection) == {2: BUILDING}
    assert connection.execute("SELECT build FROM everfold_parked").fetchall() == [(2,)]


def test_numbers_are_never_given_to_two_projections(connection: Any) -> None:
    class Other(Ledger):
        pass

    assert build(connection, "a", ACTIVE).build == 1
    assert create(connection, dialect_of(connection), Other, "b", ACTIVE, recorded=0).build == 2
    assert build(connection, "c", BUILDING).build == 3


def row(number: int, code: str, state: str) -> ConsumerRow:
    return ConsumerRow("ledger", number, code, state, 0, 0, 0, 0, None, 0)


@pytest.mark.parametrize(
    ("builds", "own", "read"),
    [
        ([], None, None),
        ([(1, "old", ACTIVE)], None, 1),
        ([(1, "mine", ACTIVE)], 1, 1),
        ([(1, "old", ACTIVE), (2, "mine", BUILDING)], 2, 1),
        ([(1, "mine", BUILDING)], 1, 1),
        ([(1, "mine", RETIRED), (2, "new", ACTIVE)], 1, 1),
        ([(1, "mine", ACTIVE), (2, "mine", BUILDING)], 1, 1),
        ([(1, "mine", RETIRED), (2, "mine", ACTIVE)], 2, 2),
        ([(1, "mine", RETIRED), (2, "mine", BUILDING), (3, "new", ACTIVE)], 1, 1),
    ],
)
def test_which_build_code_goes_on_with_and_which_it_reads(
    builds: list[tuple[int, str, str]], own: int | None, read: int | None
) -> None:
    rows = [row(*each) for each in builds]
    chosen, found = of_code(rows, "mine"), readable(rows, "mine")
    assert (chosen and chosen.build, found and found.build) == (own, read)
