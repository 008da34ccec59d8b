"""Every history of events is survived by the projections, and it makes no difference how it reaches them."""

import pytest

from everfold import Projection
from everfold.testing import check_projection
from examples.products.catalogue import Catalogue
from examples.products.domain import ProductCreated
from examples.products.price_history import PriceHistory
from examples.products.purchases import PurchaseOrderTakenOver, Purchases


@pytest.mark.parametrize(
    ("projection", "first"),
    [(Catalogue, ProductCreated), (PriceHistory, ()), (Purchases, PurchaseOrderTakenOver)],
)
def test_projections_survive_every_history(projection: type[Projection], first: type | tuple[type, ...]) -> None:
    check_projection(projection, begins_with=first, max_examples=25)
