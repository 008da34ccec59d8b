"""The catalogue as it is now: one row for each product, to be listed, filtered and sorted."""

import datetime as dt
from decimal import Decimal
from typing import Literal

import sqlalchemy as sa

from everfold import Page, Projection, Query, ReadModel, Record, Table, answer, project
from examples.products.domain import (
    ListPriceSet,
    ProductChanged,
    ProductCreated,
    ProductDeleted,
    ProductDiscontinued,
    StandardCostSet,
)
from examples.products.paging import Limit, Offset


class ProductRow(ReadModel, key="product_id", indexes=["category", "name", "list_price"]):
    product_id: str
    name: str
    category: str
    number: str | None = None
    list_price: Decimal = Decimal(0)
    standard_cost: Decimal = Decimal(0)
    discontinued: dt.date | None = None
    """The last day on which it was made."""


class GetProduct(Query[ProductRow], route="GET /products/{product_id}"):
    product_id: str


class ListProducts(Query[Page[ProductRow]], route="GET /products"):
    category: str | None = None
    text: str = ""
    """In the name or the number."""
    min_price: Decimal | None = None
    max_price: Decimal | None = None
    order: Literal["name", "-name", "list_price", "-list_price"] = "name"
    limit: Limit = 50
    offset: Offset = 0


class Catalogue(Projection):
    """An import may have more to say of a product that was deleted here meanwhile; it stays deleted."""

    products: Table[ProductRow]

    @project
    def created(self, event: ProductCreated, record: Record) -> None:
        self.products.put(ProductRow(record.key, event.name, event.category, event.number))

    @project
    def changed(self, event: ProductChanged, record: Record) -> None:
        if row := self.products.get(record.key):
            row.name, row.category = event.name, event.category

    @project
    def priced(self, event: ListPriceSet, record: Record) -> None:
        if row := self.products.get(record.key):
            row.list_price = event.price

    @project
    def cost_set(self, event: StandardCostSet, record: Record) -> None:
        if row := self.products.get(record.key):
            row.standard_cost = event.cost

    @project
    def discontinued(self, event: ProductDiscontinued, record: Record) -> None:
        if row := self.products.get(record.key):
            row.discontinued = event.last_day

    @project
    def deleted(self, event: ProductDeleted, record: Record) -> None:
        self.products.delete(record.key)

    @answer
    def one(self, query: GetProduct) -> ProductRow:
        return self.products[query.product_id]

    @answer
    def listed(self, query: ListProducts) -> Page[ProductRow]:
        product = self.products.columns
        wanted: list[sa.ColumnElement[bool]] = []
        if query.category is not None:
            wanted.append(product.category == query.category)
        if query.text:
            in_name = product.name.icontains(query.text, autoescape=True)
            wanted.append(in_name | product.number.icontains(query.text, autoescape=True))
        if query.min_price is not None:
            wanted.append(product.list_price >= query.min_price)
        if query.max_price is not None:
            wanted.append(product.list_price <= query.max_price)
        return self.products.page(*wanted, order_by=query.order, limit=query.limit, offset=query.offset)
