"""Queries: questions to a read model. Written by users, carried by the query bus."""

from __future__ import annotations

from typing import ClassVar, Generic, TypeVar

from everfold.domain.message import Message

__all__ = ["Query"]

R_co = TypeVar("R_co", covariant=True)


class Query(Message, Generic[R_co], forbid_unknown_fields=True):
    """A question; asking it changes nothing. ``class GetAccount(Query[AccountSummary])`` is answered by that type.

    ``name=`` is its permanent name (default: the class name in kebab case), ``route="GET /accounts/{id}"`` an
    HTTP route of its own.
    """

    __kind__: ClassVar[str] = "query"
