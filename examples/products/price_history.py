"""What everything cost when: a period for each price, with its first and last day. It outlives deleted products."""

import datetime as dt
from decimal import Decimal
from typing import Literal

import sqlalchemy as sa

from everfold import NotFound, Page, Projection, Query, ReadModel, Record, Table, answer, project
from examples.products.domain import ListPriceSet, ProductDeleted, StandardCostSet
from examples.products.paging import Limit, Offset

Kind = Literal["list", "cost"]


class PricePeriod(ReadModel, key=("product_id", "kind", "since"), indexes=[("kind", "since")]):
    product_id: str
    kind: Kind
    """``list``: what customers pay; ``cost``: what we do."""
    since: dt.date
    until: dt.date | None
    """The last day; None: it holds today."""
    price: Decimal


class GetPriceHistory(Query[list[PricePeriod]], route="GET /products/{product_id}/prices"):
    product_id: str
    kind: Kind = "list"


class GetPrice(Query[PricePeriod], route="GET /products/{product_id}/prices/{on}"):
    """The price on a day."""

    product_id: str
    on: dt.date
    kind: Kind = "list"


class ListPrices(Query[Page[PricePeriod]], route="GET /prices/{on}"):
    """The prices of all products on a day."""

    on: dt.date
    kind: Kind = "list"
    limit: Limit = 100
    offset: Offset = 0


class PriceHistory(Projection):
    periods: Table[PricePeriod]

    @project
    def list_price_set(self, event: ListPriceSet, record: Record) -> None:
        self._begin("list", event.price, event.since, event.until, record)

    @project
    def cost_set(self, event: StandardCostSet, record: Record) -> None:
        self._begin("cost", event.cost, event.since, event.until, record)

    @project
    def deleted(self, event: ProductDeleted, record: Record) -> None:
        last_day = record.time.date()
        for period in self.periods.find(self._holds(last_day), product_id=record.key):
            period.until = last_day

    def _begin(self, kind: Kind, price: Decimal, since: dt.date | None, until: dt.date | None, record: Record) -> None:
        first_day = since or record.time.date()
        for period in self.periods.find(self._holds(first_day), product_id=record.key, kind=kind):
            period.until = first_day - dt.timedelta(days=1)
        self.periods.put(PricePeriod(record.key, kind, first_day, until, price))  # instead of one of the same day

    @answer
    def of_product(self, query: GetPriceHistory) -> list[PricePeriod]:
        return self.periods.find(product_id=query.product_id, kind=query.kind, order_by="since")

    @answer
    def on_day(self, query: GetPrice) -> PricePeriod:
        held = self.periods.find(self._holds(query.on), product_id=query.product_id, kind=query.kind, order_by="-since")
        if not held:
            raise NotFound("price", f"{query.product_id} on {query.on}")
        return held[0]

    @answer
    def all_on_day(self, query: ListPrices) -> Page[PricePeriod]:
        return self.periods.page(self._holds(query.on), kind=query.kind, limit=query.limit, offset=query.offset)

    def _holds(self, day: dt.date) -> sa.ColumnElement[bool]:
        since, until = self.periods.columns.since, self.periods.columns.until
        return (since <= day) & (until.is_(None) | (until >= day))
