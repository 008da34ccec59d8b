"""The bookkeeping's SQL: every statement on every engine, and text that no database would take as it is."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import partial
from typing import Any

import pytest

from everfold.engines.statements import load_statements
from everfold.log.engine import Engine
from everfold.subscriptions.bookkeeping import Parked, begin_batch, execute, prepare, rows

STATEMENTS = load_statements("everfold.subscriptions", "bookkeeping.sql")
NAMES = re.compile(r"(?<!:):([a-z]+)")
NUMBERS = frozenset(
    ["build", "position", "changed", "token", "recorded", "attempts", "parked", "amended", "limit", "now", "expires"]
)


def parameters(statement: str, *, number: int, text: str | None) -> dict[str, object]:
    return {name: number if name in NUMBERS else text for name in NAMES.findall(STATEMENTS[statement])}


def run(connection: Any, dialect: str, statement: str, values: Mapping[str, object]) -> list[Any]:
    cursor = execute(connection, dialect, statement, **values)
    return list(cursor.fetchall()) if cursor.description else []


@pytest.mark.parametrize("statement", list(STATEMENTS))
@pytest.mark.parametrize("number", [0, 7, 2**62])
async def test_every_statement(engine: Engine, statement: str, number: int) -> None:
    database, values = engine.views, parameters(statement, number=number, text="a's text")
    await database.write(partial(run, dialect=database.dialect, statement=statement, values=values))


async def test_preparing_again_keeps_what_is_there(engine: Engine) -> None:
    dialect = engine.views.dialect
    values = parameters("take_lease", number=5, text="x")
    await engine.views.write(partial(run, dialect=dialect, statement="take_lease", values=values))
    await engine.views.write(partial(prepare, dialect=dialect))
    found = await engine.views.read(lambda c: execute(c, dialect, "read_lease", name="x").fetchall())
    assert [tuple(row) for row in found] == [("x", "x", 1, 5)]


@pytest.mark.parametrize("text", ["a\0b", "\ud800 alone", "ä\0ö", "plain \\ text"])
async def test_any_text_of_an_error_can_be_kept(engine: Engine, text: str) -> None:
    database = engine.views
    values = {**parameters("insert_parked", number=3, text="x"), "state": "parked", "error": text, "traceback": text}
    await database.write(lambda c: execute(c, database.dialect, "insert_parked", **values))
    found: list[Parked] = await database.read(lambda c: rows(c, database.dialect, "read_parked", Parked, name=""))
    (parked,) = found
    assert parked.error == parked.traceback
    assert parked.error == text.replace("\0", "\\x00").replace("\ud800", "\\ud800")
    found = await database.read(lambda c: rows(c, database.dialect, "read_parked", Parked, name="another"))
    assert found == []


async def test_the_fence_lets_the_highest_token_pass_and_nobody_below(engine: Engine) -> None:
    database, dialect = engine.views, engine.views.dialect
    values = parameters("insert_build", number=1, text="x")
    await database.write(partial(run, dialect=dialect, statement="insert_build", values=values))

    async def begun(token: int) -> object:
        found = await database.write(partial(begin_batch, dialect=dialect, name="x", build=1, token=token))
        return found and tuple(found)

    assert [await begun(token) for token in (0, 3, 3, 2, 4, 3)] == [
        row := ("x", 1, 0, 0, None),
        row,
        row,
        None,
        row,
        None,
    ]
