"""Customers and products, as far as orders need them: by their names, which change now and then."""

from typing import Annotated

from msgspec import Meta

from everfold import Aggregate, Command, Event, Events, Rejected, decide, evolve

Name = Annotated[str, Meta(min_length=1, max_length=200)]


class CustomerRegistered(Event):
    name: str


class CustomerRenamed(Event):
    name: str


class RegisterCustomer(Command):
    customer_id: str
    name: Name


class RenameCustomer(Command):
    customer_id: str
    name: Name


class Customer(Aggregate, key="customer_id"):
    """Somebody who orders."""

    name: str | None = None

    @decide
    def register(self, command: RegisterCustomer) -> Events:
        if self.name is not None:
            raise Rejected("customer-exists", f"The customer {command.customer_id} is registered already.")
        yield CustomerRegistered(name=command.name)

    @decide
    def rename(self, command: RenameCustomer) -> Events:
        if self.name is None:
            raise Rejected("no-such-customer", f"There is no customer {command.customer_id}.")
        if self.name != command.name:
            yield CustomerRenamed(name=command.name)

    @evolve
    def named(self, event: CustomerRegistered | CustomerRenamed) -> None:
        self.name = event.name


class ProductAdded(Event):
    name: str


class ProductRenamed(Event):
    name: str


class AddProduct(Command):
    product_id: str
    name: Name


class RenameProduct(Command):
    product_id: str
    name: Name


class Product(Aggregate, key="product_id", category="article"):
    """Something that is sold. Its streams have another name than those of a catalogue: ``examples.shop`` has both."""

    name: str | None = None

    @decide
    def add(self, command: AddProduct) -> Events:
        if self.name is not None:
            raise Rejected("product-exists", f"The product {command.product_id} exists already.")
        yield ProductAdded(name=command.name)

    @decide
    def rename(self, command: RenameProduct) -> Events:
        if self.name is None:
            raise Rejected("no-such-product", f"There is no product {command.product_id}.")
        if self.name != command.name:
            yield ProductRenamed(name=command.name)

    @evolve
    def named(self, event: ProductAdded | ProductRenamed) -> None:
        self.name = event.name
