"""Metadata: what every record says about who and what caused it."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from everfold import App, Command, Repository, metadata
from everfold.codec.metadata import current_metadata
from everfold.errors import CodecError
from everfold.identifiers import is_event_id
from tests.app.bank import Account, Paid, Pay, PayTwice, bank
from tests.app.stores import StoreMaker, contents


async def test_a_first_command_is_its_own_cause_and_starts_a_correlation(store: StoreMaker) -> None:
    async with bank(store) as app:
        await app.execute(PayTwice(account="a1", amounts=[1, 2]))
        first, second = (record.metadata for record in await contents(app))
        assert first == second
        assert first.command == "pay-twice"
        assert first.correlation_id
        assert first.correlation_id == first.causation_id
        assert is_event_id(first.correlation_id)
        await app.execute(Pay(account="a1", amount=1))
        assert (await contents(app))[-1].metadata.correlation_id != first.correlation_id


async def test_what_is_around_a_command_is_recorded_with_it(store: StoreMaker) -> None:
    trace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
    async with bank(store) as app:
        with metadata(actor="ann", tenant="north", correlation_id="c", causation_id="e", traceparent=trace, shop=7):
            with metadata(actor="bob", till={"number": 1}):
                await app.execute(Pay(account="a1", amount=1))
            await app.execute(Pay(account="a1", amount=1))
        inner, outer = (record.metadata for record in await contents(app))
        assert (inner.actor, outer.actor) == ("bob", "ann")
        assert (inner.tenant, inner.correlation_id, inner.causation_id) == ("north", "c", "e")
        assert (inner.traceparent, inner.command) == (trace, "pay")
        assert (inner.user, outer.user) == ({"shop": 7, "till": {"number": 1}}, {"shop": 7})
        assert current_metadata().actor is None


async def test_metadata_goes_along_into_tasks_and_stays_apart_between_them(store: StoreMaker) -> None:
    async with bank(store) as app:

        async def pay(actor: str) -> None:
            with metadata(actor=actor):
                await asyncio.gather(*(app.execute(Pay(account=actor, amount=1)) for _ in range(5)))

        await asyncio.gather(*(pay(f"actor-{number}") for number in range(10)))
        records = await contents(app)
        assert len(records) == 50
        assert all(record.metadata.actor == record.key for record in records)


async def test_a_command_sent_by_a_handler_keeps_the_correlation(store: StoreMaker) -> None:
    class Twice(Command):
        account: str

    app = App("bank", Account, store=store())

    @app.handles(Twice)
    async def twice(command: Twice, accounts: Repository[Account]) -> None:
        await accounts.record(command.account, Paid(amount=1))
        await app.execute(Pay(account="other", amount=1))

    async with app:
        await app.execute(Twice(account="a1"))
        other, own = (record.metadata for record in await contents(app))
        assert (other.command, own.command) == ("pay", "twice")
        assert other.correlation_id == own.correlation_id
        assert other.causation_id == own.causation_id


@pytest.mark.parametrize("value", [object(), {1, object()}, 1j, float("nan")])
async def test_a_user_field_that_json_cannot_hold_is_refused_and_changes_nothing(store: StoreMaker, value: Any) -> None:
    async with bank(store) as app:
        await app.execute(Pay(account="a1", amount=1))
        with pytest.raises(CodecError, match="metadata"), metadata(field=value):
            await app.execute(Pay(account="a1", amount=1))
        assert await app.store.head() == 1
        assert (await app.execute(Pay(account="a1", amount=1))).reply == 2


@pytest.mark.parametrize("field", ["actor", "tenant", "correlation_id", "causation_id", "traceparent"])
async def test_a_field_of_the_wrong_type_is_refused_and_changes_nothing(store: StoreMaker, field: str) -> None:
    wrong: dict[str, Any] = {field: 5}
    async with bank(store) as app:
        with pytest.raises(CodecError, match="metadata"), metadata(**wrong):
            await app.execute(Pay(account="a1", amount=1))
        assert await app.store.head() == 0
