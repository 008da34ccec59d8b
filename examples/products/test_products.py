"""The catalogue: its rules as scenarios, and its read models through the application."""

import datetime as dt
from collections.abc import AsyncIterator
from decimal import Decimal

import pytest

from everfold import App, NotFound, Rejected
from everfold.domain.message import message_definition
from everfold.errors import InvalidMessage
from everfold.testing import FrozenClock, projecting, scenario
from examples.products.app import ProductIds, products_app
from examples.products.catalogue import Catalogue, GetProduct, ListProducts
from examples.products.domain import (
    CreateProduct,
    DeleteProduct,
    ListPriceSet,
    Product,
    ProductChanged,
    ProductCreated,
    ProductDeleted,
    ProductDiscontinued,
    UpdateProduct,
)
from examples.products.price_history import GetPrice, GetPriceHistory, ListPrices, PriceHistory

CREATED = (ProductCreated(name="Saddle", category="road"), ListPriceSet(price=Decimal("39.99")))
SAME = UpdateProduct(product_id="p1", name="Saddle", category="road", list_price=Decimal("39.99"))


class NumberedIds(ProductIds):
    """p1, p2, p3."""

    def __init__(self) -> None:
        self.last = 0

    def next(self) -> str:
        self.last += 1
        return f"p{self.last}"


@pytest.fixture
async def shop(store: str, clock: FrozenClock) -> AsyncIterator[App]:
    """The application on the first of January 2030."""
    async with products_app(store, ids=NumberedIds(), clock=clock) as app:
        yield app


def test_an_update_records_what_is_new() -> None:
    product = scenario(Product).given(*CREATED)
    product.when(SAME).nothing()
    dearer = UpdateProduct(product_id="p1", name="Saddle", category="road", list_price=Decimal(45))
    product.when(dearer).then(ListPriceSet(price=Decimal(45)))
    renamed = UpdateProduct(product_id="p1", name="HL Saddle", category="road", list_price=Decimal(45))
    product.when(renamed).then(ProductChanged(name="HL Saddle", category="road"))


@pytest.mark.parametrize("price", ["-0.01", "NaN", "Infinity"])
def test_prices_are_numbers_and_not_negative(price: str) -> None:
    update = UpdateProduct(product_id="p1", name="Saddle", category="road", list_price=Decimal(price))
    scenario(Product).given(*CREATED).when(update).rejected("wrong-price", price=price)


def test_what_is_not_there_is_neither_updated_nor_deleted() -> None:
    for history in ((), (*CREATED, ProductDeleted())):
        scenario(Product).given(*history).when(SAME).rejected("no-such-product")
        scenario(Product).given(*history).when(DeleteProduct(product_id="p1")).rejected("no-such-product")
    scenario(Product).given(*CREATED).when(DeleteProduct(product_id="p1")).then(ProductDeleted())


async def test_a_product_is_created_updated_and_deleted(shop: App) -> None:
    created = await shop.execute(CreateProduct(name="Saddle", category="road", list_price=Decimal("39.99")))
    assert created.reply == "p1"
    row = await shop.ask(GetProduct(product_id=created.reply), after=created)
    assert (row.name, row.category, row.list_price) == ("Saddle", "road", Decimal("39.99"))

    update = UpdateProduct(product_id="p1", name="HL Saddle", category="touring", list_price=Decimal("45.5"))
    updated = await shop.execute(update)
    row = await shop.ask(GetProduct(product_id="p1"), after=updated)
    assert (row.name, row.category, row.list_price) == ("HL Saddle", "touring", Decimal("45.50"))
    assert (await shop.execute(update)).events == ()

    deleted = await shop.execute(DeleteProduct(product_id="p1"))
    with pytest.raises(NotFound):
        await shop.ask(GetProduct(product_id="p1"), after=deleted)
    assert (await shop.ask(GetProduct(product_id="p1"), as_of=created.position)).name == "Saddle"


async def test_wrong_products_are_refused(shop: App) -> None:
    with pytest.raises(InvalidMessage, match="name"):
        await shop.execute(CreateProduct(name="", category="road", list_price=Decimal(1)))
    with pytest.raises(Rejected, match="0 or more"):
        await shop.execute(CreateProduct(name="Saddle", category="road", list_price=Decimal(-1)))
    assert await shop.store.head() == 0


async def test_every_price_has_its_days(shop: App, clock: FrozenClock) -> None:
    await shop.execute(CreateProduct(name="Saddle", category="road", list_price=Decimal(40)))
    in_january = clock.now
    clock.advance(dt.timedelta(days=31))
    dearer = await shop.execute(UpdateProduct(product_id="p1", name="Saddle", category="road", list_price=Decimal(45)))
    history = await shop.ask(GetPriceHistory(product_id="p1"), after=dearer)
    assert [(period.since.isoformat(), period.until, period.price) for period in history] == [
        ("2030-01-01", dt.date(2030, 1, 31), Decimal(40)),
        ("2030-02-01", None, Decimal(45)),
    ]
    for day, price in (("2030-01-01", 40), ("2030-01-31", 40), ("2030-02-01", 45), ("2031-01-01", 45)):
        found = await shop.ask(GetPrice(product_id="p1", on=dt.date.fromisoformat(day)))
        assert found.price == price
    with pytest.raises(NotFound):
        await shop.ask(GetPrice(product_id="p1", on=dt.date(2029, 12, 31)))

    # what was known in January: that price, without an end
    then = await shop.ask(GetPriceHistory(product_id="p1"), as_of=in_january)
    assert [(period.until, period.price) for period in then] == [(None, Decimal(40))]
    assert (await shop.ask(GetProduct(product_id="p1"), as_of=in_january)).list_price == 40


async def test_a_price_corrected_on_the_same_day_has_one_period(shop: App) -> None:
    await shop.execute(CreateProduct(name="Saddle", category="road", list_price=Decimal(4000)))
    done = await shop.execute(UpdateProduct(product_id="p1", name="Saddle", category="road", list_price=Decimal(40)))
    [period] = await shop.ask(GetPriceHistory(product_id="p1"), after=done)
    assert (period.until, period.price) == (None, Decimal(40))


def test_a_price_ends_those_that_were_to_hold_longer() -> None:
    first, second = dt.date(2029, 1, 1), dt.date(2029, 7, 1)
    a_year = ListPriceSet(price=Decimal(40), since=first, until=dt.date(2029, 12, 31))
    prices = projecting(PriceHistory).given("product-p1", a_year, ListPriceSet(price=Decimal(45), since=second))
    history = prices.asked(GetPriceHistory(product_id="p1"))
    assert [(period.since, period.until) for period in history] == [(first, dt.date(2029, 6, 30)), (second, None)]
    assert prices.asked(GetPrice(product_id="p1", on=second)).price == 45
    earlier = prices.given("product-p1", ListPriceSet(price=Decimal(30), since=dt.date(2028, 1, 1), until=first))
    assert earlier.asked(GetPrice(product_id="p1", on=second)).price == 45  # what came later is left as it was
    assert earlier.asked(GetPrice(product_id="p1", on=first)).price == 40  # of two, the one that began later


def test_what_is_deleted_stays_deleted() -> None:
    """Though an import has more to say of it."""
    catalogue = projecting(Catalogue).given("product-p1", *CREATED, ProductDeleted())
    catalogue.given("product-p1", ListPriceSet(price=Decimal(1)), ProductDiscontinued(last_day=dt.date(2029, 1, 1)))
    catalogue.then()


async def test_the_prices_of_a_deleted_product_are_remembered(shop: App, clock: FrozenClock) -> None:
    for name in ("Saddle", "Bell"):
        await shop.execute(CreateProduct(name=name, category="road", list_price=Decimal(40)))
    clock.advance(dt.timedelta(days=1))
    done = await shop.execute(DeleteProduct(product_id="p1"))
    assert (await shop.ask(ListPrices(on=dt.date(2030, 1, 2)), after=done)).total == 2
    assert [price.product_id for price in (await shop.ask(ListPrices(on=dt.date(2030, 1, 3)))).items] == ["p2"]


async def test_products_are_filtered_sorted_and_come_in_pages(shop: App) -> None:
    for name, category, price in (("Saddle", "road", "40"), ("Bell", "touring", "9.5"), ("Road bell", "road", "100")):
        done = await shop.execute(CreateProduct(name=name, category=category, list_price=Decimal(price)))

    async def names(query: ListProducts) -> list[str]:
        return [row.name for row in (await shop.ask(query, after=done)).items]

    assert await names(ListProducts()) == ["Bell", "Road bell", "Saddle"]
    assert await names(ListProducts(order="-list_price")) == ["Road bell", "Saddle", "Bell"]
    assert await names(ListProducts(category="road", order="list_price")) == ["Saddle", "Road bell"]
    assert await names(ListProducts(text="BELL")) == ["Bell", "Road bell"]
    assert await names(ListProducts(min_price=Decimal("9.5"), max_price=Decimal(40))) == ["Bell", "Saddle"]
    page = await shop.ask(ListProducts(limit=2))
    assert (len(page.items), page.total, page.next_offset) == (2, 3, 2)
    assert await names(ListProducts(limit=2, offset=2)) == ["Saddle"]


def route(message: type) -> str | None:
    definition = message_definition(message)
    return definition.route if definition else None


def test_every_message_has_its_route() -> None:
    assert [route(message) for message in (CreateProduct, ListProducts, GetProduct, UpdateProduct, DeleteProduct)] == [
        "POST /products",
        "GET /products",
        "GET /products/{product_id}",
        "PUT /products/{product_id}",
        "DELETE /products/{product_id}",
    ]
