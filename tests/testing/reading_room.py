"""A small library, read and projected: the example of the tests of projections."""

from datetime import datetime
from decimal import Decimal
from typing import Annotated

from msgspec import Meta

from everfold import (
    Aggregate,
    Command,
    Event,
    Events,
    NotFound,
    Page,
    Projection,
    Query,
    ReadModel,
    Record,
    Rejected,
    Table,
    answer,
    decide,
    evolve,
    project,
)


class BookBought(Event):
    title: str
    price: Decimal


class BookLent(Event):
    reader: str


class BookReturned(Event):
    pass


class Renamed(Event):
    """Handled by nobody."""

    title: str


class BuyBook(Command):
    book_id: str
    title: Annotated[str, Meta(max_length=10)]
    price: Decimal = Decimal(1)


class LendBook(Command):
    book_id: str
    reader: str


class ReturnBook(Command):
    book_id: str


class Book(Aggregate, key="book_id"):
    is_here: bool = False
    is_bought: bool = False

    @decide
    def buy(self, command: BuyBook) -> Events:
        if not self.is_bought:
            yield BookBought(title=command.title, price=command.price)

    @decide
    def lend(self, command: LendBook) -> Events:
        if not self.is_here:
            raise Rejected("not-here")
        yield BookLent(reader=command.reader)

    @decide
    def take_back(self, command: ReturnBook) -> Events:
        if not self.is_bought or self.is_here:
            raise Rejected("not-lent")
        yield BookReturned()

    @evolve
    def bought(self, event: BookBought) -> None:
        self.is_here = self.is_bought = True

    @evolve
    def lent(self, event: BookLent) -> None:
        self.is_here = False

    @evolve
    def returned(self, event: BookReturned) -> None:
        self.is_here = True


class Shelved(ReadModel, key="book_id"):
    book_id: str
    title: str
    price: Decimal
    reader: str | None = None
    lent: int = 0


class Loan(ReadModel, key=("book_id", "number")):
    book_id: str
    number: int
    reader: str
    since: datetime
    by: str | None = None


class GetBook(Query[Shelved]):
    book_id: str


class ListBooks(Query[Page[Shelved]]):
    limit: int = 50


class Tidy(Query[int]):
    """Its answer writes, which answers must not."""


class Unanswered(Query[int]):
    pass


class Library(Projection):
    books: Table[Shelved]
    loans: Table[Loan]

    @project
    def bought(self, event: BookBought, record: Record) -> None:
        self.books.put(Shelved(record.key, event.title, event.price))

    @project
    def lent(self, event: BookLent, record: Record) -> None:
        if event.reader == "the cat":
            raise ValueError("Cats cannot read.")
        book = self.books[record.key]
        book.reader, book.lent = event.reader, book.lent + 1
        self.loans.put(Loan(record.key, book.lent, event.reader, record.time, record.metadata.actor))

    @project
    def returned(self, event: BookReturned, record: Record) -> None:
        self.books[record.key].reader = None

    @answer
    def one(self, query: GetBook) -> Shelved:
        return self.books[query.book_id]

    @answer
    def listed(self, query: ListBooks) -> Page[Shelved]:
        return self.books.page(limit=query.limit)

    @answer
    def tidy(self, query: Tidy) -> int:
        self.connection.execute(self.books.sql.delete())
        return 0


class Careful(Projection):
    """Survives events in any order."""

    books: Table[Shelved]

    @project
    def bought(self, event: BookBought, record: Record) -> None:
        self.books.put(Shelved(record.key, event.title, event.price))

    @project
    def lent(self, event: BookLent, record: Record) -> None:
        try:
            self.books[record.key].reader = event.reader
        except NotFound:
            return
