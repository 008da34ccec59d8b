"""The query bus: questions, their answers, and what they may not do."""

from __future__ import annotations

from typing import Any

import pytest

from everfold import App, Envelope, Next, NotFound, Query, Repository, metadata
from everfold.errors import NotAuthorized
from tests.app.bank import Account, Pay
from tests.app.stores import StoreMaker


class GetBalance(Query[int]):
    account: str


class Count(Query[int]):
    pass


def asking(store: StoreMaker, **options: Any) -> App:
    app = App("bank", Account, store=store(), **options)

    @app.answers(GetBalance)
    async def get_balance(query: GetBalance, accounts: Repository[Account]) -> int:
        if not await accounts.version(query.account):
            raise NotFound("account", query.account)
        return (await accounts.get(query.account)).balance

    @app.answers(Count)
    def count(query: Count) -> int:
        return 42

    return app


async def test_a_query_is_answered_from_the_newest_state(store: StoreMaker) -> None:
    async with asking(store) as app:
        with pytest.raises(NotFound, match="There is no account 'a1'"):
            await app.ask(GetBalance(account="a1"))
        await app.execute(Pay(account="a1", amount=3))
        assert await app.ask(GetBalance(account="a1")) == 3
        assert await app.ask(Count()) == 42


async def test_queries_go_through_the_same_pipeline(store: StoreMaker) -> None:
    seen: list[str] = []

    async def watch(envelope: Envelope, next: Next) -> Any:
        seen.append(f"{envelope.kind} {envelope.name} {envelope.metadata.actor}")
        return await next(envelope)

    def may(envelope: Envelope) -> bool:
        return envelope.metadata.actor == "ann"

    async with asking(store, middlewares=[watch], authorize=may) as app:
        with metadata(actor="ann"):
            await app.ask(Count(), timeout=60)
        with pytest.raises(NotAuthorized, match="the query 'count'"):
            await app.ask(Count())
        assert seen == ["query count ann"]


async def test_a_query_may_change_its_copy_of_a_state_without_effect(store: StoreMaker) -> None:
    app = App("bank", Account, store=store())

    @app.answers(GetBalance)
    async def spoil(query: GetBalance, accounts: Repository[Account]) -> int:
        account = await accounts.get(query.account)
        account.balance += 100
        return account.balance

    async with app:
        await app.execute(Pay(account="a1", amount=3))
        assert await app.ask(GetBalance(account="a1")) == 103
        assert (await app.execute(Pay(account="a1", amount=1))).reply == 4
