"""The shop that the tests of orders are about: with two products and a customer."""

from collections.abc import AsyncIterator, Iterator

import pytest

from everfold import App, metadata
from everfold.testing import FrozenClock
from examples.orders.app import orders_app
from examples.orders.audit import AuditEntry
from examples.orders.names import AddProduct, RegisterCustomer


@pytest.fixture
def entries() -> list[AuditEntry]:
    """What was audited."""
    return []


@pytest.fixture
async def shop(store: str, clock: FrozenClock, entries: list[AuditEntry]) -> AsyncIterator[App]:
    """The application, with green tea, a cup, and Ann."""
    async with orders_app(store, audit=entries.append, clock=clock, checks=True) as app:
        with metadata(actor="sue", role="staff"):
            await app.execute(AddProduct(product_id="tea", name="Green tea"))
            await app.execute(AddProduct(product_id="cup", name="Cup"))
            await app.execute(RegisterCustomer(customer_id="ann", name="Ann"))
        entries.clear()
        yield app


@pytest.fixture
def as_staff() -> Iterator[None]:
    """What the test does, a member of the staff does."""
    with metadata(actor="sue", role="staff"):
        yield
