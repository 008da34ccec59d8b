"""The products application: ``everfold run examples.products.app:app``."""

import uuid

from everfold import App, Repository
from everfold.clock import Clock
from examples.products.catalogue import Catalogue
from examples.products.domain import CreateProduct, ListPriceSet, Product, ProductCreated, check_price
from examples.products.price_history import PriceHistory
from examples.products.purchases import Purchases


class ProductIds:
    """Where new ids come from; a service, so that tests can give others."""

    def next(self) -> str:
        return uuid.uuid4().hex


async def create_product(command: CreateProduct, products: Repository[Product], ids: ProductIds) -> str:
    """Not a decision of a product, which knows its id already: a function, as here a service is needed."""
    check_price(command.list_price)
    product_id = ids.next()
    created = ProductCreated(name=command.name, category=command.category)
    await products.record(product_id, created, ListPriceSet(price=command.list_price))
    return product_id


def products_app(store: str | None = None, *, ids: ProductIds | None = None, clock: Clock | None = None) -> App:
    parts = (Product, Catalogue, PriceHistory, Purchases)
    app = App("products", *parts, store=store, services=[ids or ProductIds()], clock=clock)
    app.handles(CreateProduct)(create_product)
    return app


app = products_app()
