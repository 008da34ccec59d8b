"""A product of the catalogue: created, changed, priced, deleted. Each command says its HTTP route."""

import datetime as dt
from decimal import Decimal
from typing import Annotated

from msgspec import Meta

from everfold import Aggregate, Command, Event, Events, Rejected, decide, evolve

Name = Annotated[str, Meta(min_length=1, max_length=200)]
Category = Annotated[str, Meta(min_length=1, max_length=50)]


# --- facts


class ProductCreated(Event):
    name: str
    category: str
    number: str | None = None
    """What the catalogue of the maker calls it."""


class ProductChanged(Event):
    name: str
    category: str


class ListPriceSet(Event):
    price: Decimal
    since: dt.date | None = None
    """None: since the day it was recorded."""
    until: dt.date | None = None
    """The last day, if it was known from the beginning; else it holds until the next price is set."""


class StandardCostSet(Event):
    """What a piece costs us."""

    cost: Decimal
    since: dt.date | None = None
    until: dt.date | None = None


class ProductDiscontinued(Event):
    last_day: dt.date


class ProductDeleted(Event):
    pass


# --- what may be asked


class CreateProduct(Command[str], route="POST /products"):
    """Replies with the id. A function handles it (see ``app``), because a new id has to come from somewhere."""

    name: Name
    category: Category
    list_price: Decimal


class UpdateProduct(Command, route="PUT /products/{product_id}"):
    product_id: str
    name: Name
    category: Category
    list_price: Decimal


class DeleteProduct(Command, route="DELETE /products/{product_id}"):
    product_id: str


class Product(Aggregate, key="product_id"):
    """Something that is sold, at a price that changes."""

    name: str | None = None
    category: str = ""
    list_price: Decimal = Decimal(0)
    is_deleted: bool = False

    @decide
    def update(self, command: UpdateProduct) -> Events:
        """Only what is new is recorded, so that the same PUT twice records nothing the second time."""
        self._check_there()
        check_price(command.list_price)
        if (command.name, command.category) != (self.name, self.category):
            yield ProductChanged(name=command.name, category=command.category)
        if command.list_price != self.list_price:
            yield ListPriceSet(price=command.list_price)

    @decide
    def delete(self, command: DeleteProduct) -> Events:
        self._check_there()
        yield ProductDeleted()

    @evolve
    def described(self, event: ProductCreated | ProductChanged) -> None:
        self.name, self.category = event.name, event.category

    @evolve
    def priced(self, event: ListPriceSet) -> None:
        self.list_price = event.price

    @evolve
    def cost_set(self, event: StandardCostSet) -> None:
        """No decision depends on it."""

    @evolve
    def discontinued(self, event: ProductDiscontinued) -> None:
        """Nor on this: what is left is still sold."""

    @evolve
    def deleted(self, event: ProductDeleted) -> None:
        self.is_deleted = True

    def _check_there(self) -> None:
        if self.name is None or self.is_deleted:
            raise Rejected("no-such-product", "There is no such product.")


def check_price(price: Decimal) -> None:
    if not price.is_finite() or price < 0:
        raise Rejected("wrong-price", "A price is 0 or more.", price=str(price))
