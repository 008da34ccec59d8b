"""The pipeline: its order, and middlewares of one's own."""

from __future__ import annotations

from collections.abc import Awaitable
from typing import Any

import pytest

from everfold import Envelope, Next, Rejected
from everfold.app.middleware import compose
from everfold.app.middlewares.authorization import Authorization
from everfold.app.pipeline import command_pipeline, query_pipeline
from everfold.app.settings import Settings
from everfold.codec.metadata import current_metadata
from everfold.log.record import Metadata
from tests.app.bank import Pay, bank
from tests.app.stores import StoreMaker, contents


class Trace:
    def __init__(self, name: str, trace: list[str]) -> None:
        self.name = name
        self.trace = trace

    async def __call__(self, envelope: Envelope, next: Next) -> Any:
        self.trace.append(f"{self.name} in")
        try:
            return await next(envelope)
        finally:
            self.trace.append(f"{self.name} out")


async def test_the_first_middleware_is_outermost() -> None:
    trace: list[str] = []

    async def handler(envelope: Envelope) -> str:
        trace.append(envelope.name)
        return "reply"

    run = compose([Trace("a", trace), Trace("b", trace)], handler)
    envelope = Envelope(message=None, kind="command", name="pay", id="i", metadata=Metadata())
    assert await run(envelope) == "reply"
    assert trace == ["a in", "b in", "pay", "b out", "a out"]
    assert await compose([], handler)(envelope) == "reply"


def test_the_default_pipeline_can_be_read_off() -> None:
    async def own(envelope: Envelope, next: Next) -> Any:
        return await next(envelope)

    def names(pipeline: list[Any]) -> list[str]:
        return [getattr(link, "__name__", type(link).__name__) for link in pipeline]

    guard = Authorization(lambda envelope: True)
    shared = ["Logging", "Timeout", "Validation", "Authorization", "own"]
    assert names(command_pipeline(Settings(), [own], lambda envelope: True)) == [
        *shared,
        "IdempotencyKeys",
        "RetryOnConflict",
    ]
    assert names(query_pipeline(Settings(), [own], lambda envelope: True)) == shared
    assert names(query_pipeline(Settings(), [], None)) == ["Logging", "Timeout", "Validation"]
    assert isinstance(guard, Authorization)


async def test_a_middleware_sees_the_envelope_and_the_outcome(store: StoreMaker) -> None:
    seen: list[Any] = []

    async def watch(envelope: Envelope, next: Next) -> Any:
        seen.append((envelope.kind, envelope.name, envelope.message, envelope.id == envelope.metadata.correlation_id))
        seen.append(envelope.metadata == current_metadata())
        done = await next(envelope)
        seen.append((done.reply, envelope.has_stored))
        return done

    async with bank(store, middlewares=[watch]) as app:
        command = Pay(account="a1", amount=3)
        await app.execute(command)
        assert seen == [("command", "pay", command, True), True, (3, True)]


async def test_a_middleware_may_refuse_and_nothing_is_stored(store: StoreMaker) -> None:
    def refuse(envelope: Envelope, next: Next) -> Awaitable[Any]:
        raise Rejected("closed", "We are closed.")

    async with bank(store, middlewares=[refuse]) as app:
        with pytest.raises(Rejected, match="We are closed"):
            await app.execute(Pay(account="a1", amount=3))
        assert await contents(app) == []


async def test_a_middleware_may_answer_by_itself_or_change_the_message(store: StoreMaker) -> None:
    async def double(envelope: Envelope, next: Next) -> Any:
        envelope.message = Pay(account=envelope.message.account, amount=envelope.message.amount * 2)
        return await next(envelope)

    async with bank(store, middlewares=[double]) as app:
        assert (await app.execute(Pay(account="a1", amount=3))).reply == 6
