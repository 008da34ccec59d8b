"""Retry policies: how often a message is decided again."""

from __future__ import annotations

import pytest

from everfold import Conflict, Envelope, Next
from everfold.app.middleware import compose
from everfold.app.middlewares.retry import RetryOnConflict
from everfold.log.record import Metadata
from everfold.store.transact import RetryPolicy
from tests.app.bank import Pay, bank
from tests.app.stores import Watched

PATIENT, QUICK = RetryPolicy(attempts=9), RetryPolicy(attempts=2)


@pytest.mark.parametrize(("name", "policy"), [("pay", PATIENT), ("take", QUICK)])
async def test_single_messages_may_have_a_policy_of_their_own(name: str, policy: RetryPolicy) -> None:
    async def tell(envelope: Envelope) -> RetryPolicy:
        return envelope.retries

    envelope = Envelope(message=None, kind="command", name=name, id="i", metadata=Metadata())
    assert await compose([RetryOnConflict(QUICK, {"pay": PATIENT})], tell)(envelope) is policy


async def test_the_setting_bounds_the_attempts(watched: Watched) -> None:
    async with bank(lambda: watched, retry_attempts=1) as app:
        watched.conflicts = 1
        with pytest.raises(Conflict):
            await app.execute(Pay(account="a1", amount=1))
        assert len(watched.batches) == 1


async def test_a_middleware_may_give_up_or_try_again_by_itself(watched: Watched) -> None:
    async def again(envelope: Envelope, next: Next) -> object:
        try:
            return await next(envelope)
        except Conflict:
            return await next(envelope)

    async with bank(lambda: watched, retry_attempts=1, middlewares=[again]) as app:
        watched.conflicts = 1
        assert (await app.execute(Pay(account="a1", amount=1))).reply == 1
