"""Commands: intents to change something. Written by users, carried by the command bus."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Generic

from everfold.domain.message import Message

if TYPE_CHECKING:
    from typing_extensions import TypeVar

    R_co = TypeVar("R_co", default=None, covariant=True)
else:
    from typing import TypeVar

    R_co = TypeVar("R_co", covariant=True)

__all__ = ["Command"]


class Command(Message, Generic[R_co], forbid_unknown_fields=True):
    """An intent to change something; it may be refused. ``class PlaceOrder(Command[str])`` replies with a string.

    Without a type the reply is None. ``name=`` is its permanent name (default: the class name in kebab
    case), ``route="POST /orders"`` an HTTP route of its own.
    """

    __kind__: ClassVar[str] = "command"
