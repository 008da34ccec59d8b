"""Timeouts tell the truth: nothing was stored, or nobody knows."""

from __future__ import annotations

import asyncio

import pytest

from everfold import App, Command, Envelope, Next, OutcomeUnknown, Query
from everfold.errors import TimedOut
from tests.app.bank import Pay, bank
from tests.app.stores import Watched


class Wait(Command):
    pass


class Ask(Query[str]):
    pass


class Own(Command):
    pass


def waiting() -> App:
    app = App("waiting", store="memory:")

    @app.handles(Wait)
    async def wait(command: Wait) -> None:
        await asyncio.Event().wait()

    @app.answers(Ask)
    async def ask(query: Ask) -> str:
        await asyncio.Event().wait()
        return ""

    @app.handles(Own)
    async def own(command: Own) -> None:
        raise TimeoutError("the handler's own")

    return app


async def test_a_message_that_stored_nothing_yet_is_timed_out() -> None:
    async with waiting() as app:
        with pytest.raises(TimedOut, match=r"The command 'wait' took longer than 0.001 seconds. Nothing was stored"):
            await app.execute(Wait(), timeout=0.001)
        with pytest.raises(TimedOut, match="The query 'ask' took longer"):
            await app.ask(Ask(), timeout=0.001)


async def test_the_default_is_a_setting() -> None:
    app = waiting()
    async with App("waiting", store="memory:", command_timeout=0.001) as limited:
        assert limited.settings().values.command_timeout == 0.001
    async with app:
        pass


async def test_an_append_that_was_under_way_is_unknown_and_the_key_tells(watched: Watched) -> None:
    async with bank(lambda: watched) as app:
        watched.is_held = True
        command = Pay(account="a1", amount=1)
        with pytest.raises(OutcomeUnknown, match="retry with the same idempotency key"):
            await app.execute(command, timeout=0.001, idempotency_key="k1")
        watched.let_go.set()
        done = await app.execute(command, idempotency_key="k1")
        assert (done.reply, done.repeated) == (1, True)


async def test_a_timeout_of_the_handlers_own_is_left_alone() -> None:
    async with waiting() as app:
        with pytest.raises(TimeoutError, match="the handler's own"):
            await app.execute(Own(), timeout=60)


async def test_a_message_in_time_is_not_disturbed(watched: Watched) -> None:
    async with bank(lambda: watched, command_timeout=60) as app:
        assert (await app.execute(Pay(account="a1", amount=1))).reply == 1


async def test_a_middleware_that_dawdles_after_the_commit_makes_the_outcome_unknown(watched: Watched) -> None:
    async def dawdle(envelope: Envelope, next: Next) -> object:
        done = await next(envelope)
        await asyncio.Event().wait()
        return done

    async with bank(lambda: watched, middlewares=[dawdle]) as app:
        with pytest.raises(OutcomeUnknown):
            await app.execute(Pay(account="a1", amount=1), timeout=0.01)
        assert await app.store.head() == 1
