"""Every history of events is survived by the projections, and it makes no difference how it reaches them."""

from decimal import Decimal

from everfold.testing import check_projection
from examples.orders.domain import Item, OrderCreated
from examples.orders.history import OrderTakenOver
from examples.orders.names import AddProduct, Customer, Product, RegisterCustomer, RenameCustomer, RenameProduct
from examples.orders.order_views import Orders
from examples.orders.sales_views import Sales

TEA = Item(product_id="tea", quantity=2, unit_price=Decimal("3.95"))
NAMED = [
    OrderCreated(customer_id="ann", items=(TEA,)),
    RegisterCustomer(customer_id="ann", name="Ann"),
    RenameCustomer(customer_id="ann", name="Anna"),
    AddProduct(product_id="tea", name="Green tea"),
    RenameProduct(product_id="tea", name="Black tea"),
]
"""About the same customer and product, so that names are given before, between and behind orders."""


def test_orders_survive_every_history() -> None:
    check_projection(Orders, aggregates=[Customer, Product], begins_with=[OrderCreated, OrderTakenOver], examples=NAMED)


def test_sales_survive_every_history() -> None:
    check_projection(Sales, max_examples=25)
