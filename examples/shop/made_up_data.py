"""Some customers with accounts, a catalogue, and a few weeks of orders: small, made up, and always the same.

Every command is sent under a key of its own, so that filling a store a second time changes nothing.
"""

import random
from collections.abc import Iterator
from decimal import Decimal
from typing import Any, TypeVar

from everfold import App, Command
from examples.accounts.domain import Deposit, OpenAccount, Withdraw
from examples.orders.domain import (
    CancelOrder,
    ConfirmOrder,
    CreateOrder,
    DeliverOrder,
    Item,
    PlaceOrder,
    ShipOrder,
)
from examples.orders.names import AddProduct, RegisterCustomer
from examples.products.domain import CreateProduct, UpdateProduct

R = TypeVar("R")
ORDERS = 120
CUSTOMERS = ("Ann", "Bela", "Chidi", "Dana", "Emil", "Fatima", "Goro", "Hana", "Ines", "Jonas", "Kofi", "Lena")
CATALOGUE = {
    "tea": ("Darjeeling", "Assam", "Sencha", "Earl Grey", "Rooibos"),
    "coffee": ("Yirgacheffe", "Antigua", "Sumatra", "House Blend"),
    "crockery": ("Teapot", "Cup", "Saucer", "Mug", "Milk Jug"),
    "sweets": ("Shortbread", "Baklava", "Nougat", "Mochi"),
}


async def fill(app: App) -> int:
    """How many commands were executed that had not been before."""
    return await Filling(app).run()


class Filling:
    def __init__(self, app: App) -> None:
        self._app = app
        self._chance = random.Random(11)  # noqa: S311 (no secrets)
        self._sent = 0
        self._new = 0

    async def run(self) -> int:
        for owner in CUSTOMERS:
            await self._customer(owner)
        products = [await self._product(name, category) for category, names in CATALOGUE.items() for name in names]
        for number in range(1, ORDERS + 1):
            for command in self._order(f"o{number:03d}", products):
                await self._send(command)
        return self._new

    async def _customer(self, owner: str) -> None:
        key, chance = owner.lower(), self._chance
        await self._send(RegisterCustomer(customer_id=key, name=owner))
        await self._send(OpenAccount(account_id=key, owner=owner, initial_balance=100_00))
        for _ in range(chance.randrange(3, 12)):
            await self._send(Deposit(account_id=key, amount=chance.randrange(20_00, 90_00, 50)))
            await self._send(Withdraw(account_id=key, amount=chance.randrange(1_00, 20_00, 5)))

    async def _product(self, name: str, category: str) -> tuple[str, Decimal]:
        """In the catalogue, and among the names that orders are shown with; its id, and its price."""
        price = Decimal(self._chance.randrange(250, 4_000, 5)) / 100
        product_id = await self._send(CreateProduct(name=name, category=category, list_price=price * 2))
        await self._send(UpdateProduct(product_id=product_id, name=name, category=category, list_price=price))
        await self._send(AddProduct(product_id=product_id, name=name))
        return product_id, price

    def _order(self, order_id: str, products: list[tuple[str, Decimal]]) -> Iterator[Command[Any]]:
        """As far as it has come: a draft, or placed, confirmed, shipped, delivered, or cancelled on the way."""
        chance = self._chance
        items = tuple(
            Item(product_id=product_id, quantity=chance.randrange(1, 6), unit_price=price)
            for product_id, price in chance.sample(products, chance.randrange(1, 5))
        )
        customer = chance.choice(CUSTOMERS).lower()
        progress = chance.randrange(12)
        if progress == 0:
            yield CreateOrder(order_id=order_id, customer_id=customer, items=items)
            return
        yield PlaceOrder(order_id=order_id, customer_id=customer, items=items)
        if progress == 1:
            yield CancelOrder(order_id=order_id, reason="ordered by mistake")
            return
        if progress > 2:
            yield ConfirmOrder(order_id=order_id)
        if progress > 4:
            yield ShipOrder(order_id=order_id, tracking_code=f"T{chance.randrange(10**8):08d}")
        if progress > 6:
            yield DeliverOrder(order_id=order_id)

    async def _send(self, command: Command[R]) -> R:
        self._sent += 1
        done = await self._app.execute(command, idempotency_key=f"made-up/{self._sent}")
        self._new += not done.repeated
        return done.reply
