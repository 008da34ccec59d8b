"""Three examples as one service, in one log: ``everfold run examples.shop.app:app``.

Nobody needs to know of the others: they are parts, and an application is made of parts. Who may do what is left to the
roles that are built in: whoever asks needs the role viewer, and operator to change something.
"""

from everfold import App
from examples.accounts.app import GetBalance, Transfer, balance, transfer
from examples.accounts.domain import Account
from examples.accounts.views import Accounts
from examples.orders.app import place
from examples.orders.domain import Order, PlaceOrder
from examples.orders.names import Customer
from examples.orders.names import Product as Article
from examples.orders.order_views import Orders
from examples.orders.sales_views import Sales
from examples.products.app import ProductIds, create_product
from examples.products.catalogue import Catalogue
from examples.products.domain import CreateProduct, Product
from examples.products.price_history import PriceHistory
from examples.products.purchases import Purchases

ACCOUNTS = (Account, Accounts)
ORDERS = (Order, Customer, Article, Orders, Sales)
PRODUCTS = (Product, Catalogue, PriceHistory, Purchases)


def shop_app(store: str | None = None) -> App:
    app = App("shop", *ACCOUNTS, *ORDERS, *PRODUCTS, store=store, services=[ProductIds()])
    app.handles(Transfer)(transfer)
    app.answers(GetBalance)(balance)
    app.handles(PlaceOrder)(place)
    app.handles(CreateProduct)(create_product)
    return app


app = shop_app()
