"""The authorization hook."""

from __future__ import annotations

import pytest

from everfold import Envelope, metadata
from everfold.app.middlewares.authorization import Policy
from everfold.errors import InvalidMessage, NotAuthorized
from tests.app.bank import Pay, bank
from tests.app.stores import StoreMaker


def only_ann(envelope: Envelope) -> bool:
    return envelope.metadata.actor == "ann"


async def only_ann_later(envelope: Envelope) -> bool:
    return envelope.metadata.actor == "ann"


@pytest.mark.parametrize("policy", [only_ann, only_ann_later])
async def test_a_policy_lets_through_or_refuses(store: StoreMaker, policy: Policy) -> None:
    async with bank(store, authorize=policy) as app:
        with metadata(actor="ann"):
            await app.execute(Pay(account="a1", amount=1))
        with metadata(actor="bob"), pytest.raises(NotAuthorized, match="bob may not send the command 'pay'"):
            await app.execute(Pay(account="a1", amount=1))
        with pytest.raises(NotAuthorized, match="nobody in particular may not"):
            await app.execute(Pay(account="a1", amount=1))
        assert await app.store.head() == 1


async def test_a_policy_may_say_why_by_raising(store: StoreMaker) -> None:
    def closed(envelope: Envelope) -> bool:
        raise NotAuthorized(f"The {envelope.name} desk is closed.")

    async with bank(store, authorize=closed) as app:
        with pytest.raises(NotAuthorized, match="The pay desk is closed"):
            await app.execute(Pay(account="a1", amount=1))
        assert await app.store.head() == 0


async def test_a_policy_is_asked_about_valid_messages_only(store: StoreMaker) -> None:
    asked: list[str] = []

    def remember(envelope: Envelope) -> bool:
        asked.append(envelope.name)
        return True

    async with bank(store, authorize=remember) as app:
        with pytest.raises(InvalidMessage):
            await app.execute(Pay(account="a1", amount=0))
        await app.execute(Pay(account="a1", amount=1))
        assert asked == ["pay"]
