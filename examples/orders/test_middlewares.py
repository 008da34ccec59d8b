"""What happens around every command: log, validation, authorization, audit, unit of work, keys, retries, timeout."""

import asyncio
import logging
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from everfold import App, Envelope, Next, Rejected, metadata
from everfold.errors import IdempotencyKeyReused, InvalidMessage, NotAuthorized, TimedOut
from everfold.testing import memory_app
from examples.orders.app import orders_app
from examples.orders.audit import Audit, AuditEntry
from examples.orders.domain import (
    MAX_ITEMS,
    AddItem,
    CancelOrder,
    ConfirmOrder,
    CreateOrder,
    DeliverOrder,
    Item,
    Order,
    OrderCreated,
    OrderSubmitted,
    PlaceOrder,
    ShipOrder,
    SubmitOrder,
)
from examples.orders.names import AddProduct, RenameCustomer, RenameProduct
from examples.orders.order_views import GetOrder

TEA = Item(product_id="tea", quantity=2, unit_price=Decimal("3.95"))
ORDER = CreateOrder(order_id="o1", customer_id="ann", items=(TEA,))


@pytest.mark.usefixtures("as_staff")
async def test_every_command_is_logged_and_no_field_of_it(shop: App, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "everfold.messages")
    await shop.execute(CreateOrder(order_id="o1", customer_id="secret"))
    with pytest.raises(Rejected):
        await shop.execute(SubmitOrder(order_id="o1"))
    assert [(entry.message, entry.__dict__["actor"]) for entry in caplog.records] == [
        ("command create-order: done", "sue"),
        ("command submit-order: rejected", "sue"),
    ]
    assert "secret" not in str([entry.__dict__ for entry in caplog.records])


@pytest.mark.usefixtures("as_staff")
async def test_a_command_with_a_wrong_field_reaches_nobody(shop: App, entries: list[AuditEntry]) -> None:
    head = await shop.store.head()
    with pytest.raises(InvalidMessage, match="order_id"):
        await shop.execute(CreateOrder(order_id="", customer_id="ann"))
    with pytest.raises(InvalidMessage, match="reason"):
        await shop.execute(CancelOrder(order_id="o1", reason="x" * 501))
    assert (entries, await shop.store.head()) == ([], head)


async def test_who_is_known_orders_and_staff_moves_the_order_on(shop: App, entries: list[AuditEntry]) -> None:
    with pytest.raises(NotAuthorized):
        await shop.execute(ORDER)
    with metadata(actor="ann"):
        await shop.execute(ORDER)
        done = await shop.execute(SubmitOrder(order_id="o1"))
        for command in (
            ConfirmOrder(order_id="o1"),
            ShipOrder(order_id="o1"),
            DeliverOrder(order_id="o1"),
            AddProduct(product_id="pot", name="Pot"),
            RenameProduct(product_id="tea", name="Black tea"),
            RenameCustomer(customer_id="ann", name="Anna"),
        ):
            with pytest.raises(NotAuthorized):
                await shop.execute(command)
    assert (await shop.ask(GetOrder(order_id="o1"), after=done)).order.status == "submitted"
    assert [entry.actor for entry in entries] == ["ann", "ann"]  # who may not is refused before the audit


@pytest.mark.usefixtures("as_staff")
async def test_what_was_done_and_what_was_refused_is_audited(shop: App, entries: list[AuditEntry]) -> None:
    with metadata(correlation_id="request-7"):
        await shop.execute(ORDER)
    with pytest.raises(Rejected):
        await shop.execute(ShipOrder(order_id="o1"))
    await shop.ask(GetOrder(order_id="o1"), after=await shop.store.head())
    assert [(entry.actor, entry.command, entry.outcome) for entry in entries] == [
        ("sue", "create-order", "done"),
        ("sue", "ship-order", "wrong-status"),
    ]
    assert entries[0].correlation_id == "request-7"


async def test_an_error_is_audited_by_its_kind() -> None:
    async def breaks(envelope: Envelope, next: Next) -> Any:
        raise OSError("the disk is gone")

    written: list[AuditEntry] = []
    async with memory_app(Order, middlewares=[Audit(written.append), breaks]) as app:
        with pytest.raises(OSError, match="gone"):
            await app.execute(ORDER)
    assert [entry.outcome for entry in written] == ["OSError"]


@pytest.mark.usefixtures("as_staff")
async def test_two_decisions_are_stored_together_or_not_at_all(shop: App) -> None:
    head = await shop.store.head()
    with pytest.raises(Rejected, match="Add an item"):
        await shop.execute(PlaceOrder(order_id="o1", customer_id="ann", items=()))
    assert await shop.store.head() == head  # the order was created in vain

    placed = await shop.execute(PlaceOrder(order_id="o1", customer_id="ann", items=(TEA,)))
    assert placed.events == (OrderCreated(customer_id="ann", items=(TEA,)), OrderSubmitted())
    assert placed.reply == Decimal("7.90")
    assert (await shop.ask(GetOrder(order_id="o1"), after=placed)).order.status == "submitted"


@pytest.mark.usefixtures("as_staff")
async def test_a_command_sent_twice_with_its_key_has_one_effect(shop: App) -> None:
    await shop.execute(ORDER)
    first = await shop.execute(AddItem(order_id="o1", item=TEA), idempotency_key="click-1")
    again = await shop.execute(AddItem(order_id="o1", item=TEA), idempotency_key="click-1")
    assert (first.repeated, again.repeated) == (False, True)
    assert first.reply == again.reply == Decimal("15.80")
    assert (await shop.load(Order, "o1")).items == 2
    with pytest.raises(IdempotencyKeyReused):
        await shop.execute(CancelOrder(order_id="o1"), idempotency_key="click-1")


@pytest.mark.usefixtures("as_staff")
async def test_clerks_of_two_processes_fill_one_order(tmp_path: Path) -> None:
    store = str(tmp_path / "orders.db")
    async with orders_app(store) as here, orders_app(store, role="server") as there:
        await here.execute(CreateOrder(order_id="o1", customer_id="ann"))
        clerks = [here, there] * (MAX_ITEMS // 2)
        done = await asyncio.gather(*(clerk.execute(AddItem(order_id="o1", item=TEA)) for clerk in clerks))
        totals = sorted(each.reply for each in done)
        assert totals == [Decimal("7.90") * number for number in range(1, MAX_ITEMS + 1)]  # nobody overwrote anybody
        with pytest.raises(Rejected, match="100 items at most"):
            await there.execute(AddItem(order_id="o1", item=TEA))


async def test_a_command_that_takes_too_long_stores_nothing() -> None:
    async def hangs(envelope: Envelope, next: Next) -> Any:
        await asyncio.Event().wait()

    async with memory_app(Order, middlewares=[hangs]) as app:
        with pytest.raises(TimedOut):
            await app.execute(ORDER, timeout=0.01)
        assert await app.store.head() == 0
