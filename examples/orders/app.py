"""The orders application: ``everfold run examples.orders.app:app``.

Around every command, outermost first: logging, timeout, validation, authorization (``policy``), a middleware of our own
(``audit``), idempotency keys, retries on conflict, and the unit of work. All but the audit come with everfold.
"""

import logging
from collections.abc import Callable
from decimal import Decimal
from typing import Any

from everfold import App, Repository
from everfold.clock import Clock
from examples.orders.audit import Audit, AuditEntry
from examples.orders.domain import CreateOrder, Order, PlaceOrder, SubmitOrder
from examples.orders.names import Customer, Product
from examples.orders.order_views import Orders
from examples.orders.policy import may
from examples.orders.sales_views import Sales


def log_entry(entry: AuditEntry) -> None:
    logging.getLogger("orders.audit").info("%s: %s, %s", entry.actor, entry.command, entry.outcome)


async def place(command: PlaceOrder, orders: Repository[Order]) -> Decimal:
    """Two decisions in one unit of work: what cannot be submitted is not created either."""
    order_id = command.order_id
    await orders.decide(CreateOrder(order_id=order_id, customer_id=command.customer_id, items=command.items))
    return await orders.decide(SubmitOrder(order_id=order_id))


def orders_app(
    store: str | None = None,
    *,
    audit: Callable[[AuditEntry], None] = log_entry,
    clock: Clock | None = None,
    **settings: Any,
) -> App:
    parts = (Order, Customer, Product, Orders, Sales)
    middlewares = [Audit(audit)]
    app = App("orders", *parts, store=store, middlewares=middlewares, authorize=may, clock=clock, **settings)
    app.handles(PlaceOrder)(place)
    return app


app = orders_app()
