"""Who may do what: everybody who is known may order, and staff alone moves an order on. Given to the App."""

from everfold import Envelope
from examples.orders.domain import ConfirmOrder, DeliverOrder, ShipOrder
from examples.orders.names import AddProduct, RenameCustomer, RenameProduct

STAFF_ONLY = (ConfirmOrder, ShipOrder, DeliverOrder, AddProduct, RenameProduct, RenameCustomer)


def may(envelope: Envelope) -> bool:
    """``with metadata(actor="ann", role="staff"): await app.execute(...)`` says who acts."""
    if isinstance(envelope.message, STAFF_ONLY):
        return envelope.metadata.user.get("role") == "staff"
    return envelope.kind == "query" or envelope.metadata.actor is not None
