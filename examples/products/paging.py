"""How much of a list one query may ask for. Used by the queries."""

from typing import Annotated

from msgspec import Meta

Limit = Annotated[int, Meta(ge=1, le=500)]
Offset = Annotated[int, Meta(ge=0)]
