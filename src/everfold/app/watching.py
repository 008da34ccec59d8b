"""Watching a query: its answer, and a new one whenever it has changed. Used by the app."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from typing import Protocol, TypeVar

from everfold.app.done import After, Answered
from everfold.domain.query import Query
from everfold.projections.read_side import ReadSide

__all__ = ["watch_answers"]

R = TypeVar("R")


class Answering(Protocol):
    """``App.answer``."""

    async def __call__(self, query: Query[R], *, after: After = None) -> Answered[R]:
        """The answer now."""
        ...


async def watch_answers(
    answer: Answering, read_side: ReadSide, query: Query[R], after: After
) -> AsyncGenerator[Answered[R], None]:
    """The answers, for ever. Asked again when the tables have changed; told when the answer has."""
    version = await read_side.version(type(query))
    last = await answer(query, after=after)
    yield last
    while True:
        version = await read_side.change(type(query), version)
        found = await answer(query)
        if found.value != last.value:
            last = found
            yield last
