"""What was bought: purchase orders of the old system as events, and their sums by product and vendor."""

import datetime as dt
from decimal import Decimal
from typing import Literal

import msgspec

from everfold import Event, Page, Projection, Query, ReadModel, Record, Table, answer, project
from examples.products.paging import Limit, Offset

Status = Literal["pending", "approved", "rejected", "complete"]


class PurchaseLine(msgspec.Struct, frozen=True, kw_only=True):
    product_id: str
    unit_price: Decimal
    ordered: int
    received: int
    rejected: int
    """Pieces that were received and sent back."""

    @property
    def amount(self) -> Decimal:
        return self.ordered * self.unit_price


class PurchaseOrderTakenOver(Event):
    vendor_id: str
    status: Status
    ordered_on: dt.date
    sub_total: Decimal
    tax: Decimal
    freight: Decimal
    total_due: Decimal


class PurchaseLinesTakenOver(Event):
    lines: tuple[PurchaseLine, ...]


class PurchaseOrderRow(ReadModel, key="purchase_order_id", indexes=["vendor_id", "status"]):
    purchase_order_id: str
    vendor_id: str
    status: Status
    ordered_on: dt.date
    sub_total: Decimal
    tax: Decimal
    freight: Decimal
    total_due: Decimal
    lines: int = 0
    sum_of_lines: Decimal = Decimal(0)


class ProductPurchases(ReadModel, key="product_id", indexes=["spent"]):
    product_id: str
    lines: int = 0
    ordered: int = 0
    received: int = 0
    rejected: int = 0
    spent: Decimal = Decimal(0)


class VendorPurchases(ReadModel, key="vendor_id", indexes=["total_due"]):
    vendor_id: str
    orders: int = 0
    total_due: Decimal = Decimal(0)


class GetPurchaseOrder(Query[PurchaseOrderRow], route="GET /purchase-orders/{purchase_order_id}"):
    purchase_order_id: str


class ListPurchaseOrders(Query[Page[PurchaseOrderRow]], route="GET /purchase-orders"):
    vendor_id: str | None = None
    status: Status | None = None
    limit: Limit = 50
    offset: Offset = 0


class GetPurchasesByProduct(Query[Page[ProductPurchases]], route="GET /purchases/by-product"):
    """What cost most first."""

    limit: Limit = 50
    offset: Offset = 0


class GetPurchasesByVendor(Query[Page[VendorPurchases]], route="GET /purchases/by-vendor"):
    """Who is owed most first."""

    limit: Limit = 50
    offset: Offset = 0


class Purchases(Projection):
    orders: Table[PurchaseOrderRow]
    products: Table[ProductPurchases]
    vendors: Table[VendorPurchases]

    @project
    def taken_over(self, event: PurchaseOrderTakenOver, record: Record) -> None:
        self.orders.put(PurchaseOrderRow(record.key, **msgspec.structs.asdict(event)))
        vendor = self.vendors.get(event.vendor_id)
        if vendor is None:
            vendor = VendorPurchases(event.vendor_id)
            self.vendors.put(vendor)
        vendor.orders += 1
        vendor.total_due += event.total_due

    @project
    def lines_taken_over(self, event: PurchaseLinesTakenOver, record: Record) -> None:
        order = self.orders[record.key]
        for line in event.lines:
            order.lines += 1
            order.sum_of_lines += line.amount
            self._count(line)

    def _count(self, line: PurchaseLine) -> None:
        product = self.products.get(line.product_id)
        if product is None:
            product = ProductPurchases(line.product_id)
            self.products.put(product)
        product.lines += 1
        product.ordered += line.ordered
        product.received += line.received
        product.rejected += line.rejected
        product.spent += line.amount

    @answer
    def one(self, query: GetPurchaseOrder) -> PurchaseOrderRow:
        return self.orders[query.purchase_order_id]

    @answer
    def listed(self, query: ListPurchaseOrders) -> Page[PurchaseOrderRow]:
        order = self.orders.columns
        wanted = [order.vendor_id == query.vendor_id] if query.vendor_id else []
        if query.status:
            wanted.append(order.status == query.status)
        return self.orders.page(*wanted, limit=query.limit, offset=query.offset)

    @answer
    def by_product(self, query: GetPurchasesByProduct) -> Page[ProductPurchases]:
        return self.products.page(order_by="-spent", limit=query.limit, offset=query.offset)

    @answer
    def by_vendor(self, query: GetPurchasesByVendor) -> Page[VendorPurchases]:
        return self.vendors.page(order_by="-total_due", limit=query.limit, offset=query.offset)
