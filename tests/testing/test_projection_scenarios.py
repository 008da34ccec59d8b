"""Scenarios of projections: what they accept, and how they complain."""

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest

from everfold import Event, Metadata, NotFound, Page, Projection, ReadModel, Record, Table, project, upcast
from everfold.errors import DefinitionError, InvalidEvent, InvalidName, StoreReadOnly
from everfold.testing import ProjectionScenario, projecting
from tests.testing.reading_room import (
    BookBought,
    BookLent,
    BookReturned,
    GetBook,
    Library,
    ListBooks,
    Loan,
    Renamed,
    Shelved,
    Tidy,
    Unanswered,
)

START = datetime(2030, 1, 1, tzinfo=UTC)
BOUGHT = BookBought(title="Emma", price=Decimal("9.50"))
EMMA = Shelved("b1", "Emma", Decimal("9.5"))
POISON = BookLent(reader="the cat")


def library(*events: object) -> ProjectionScenario:
    return projecting(Library).given("book-b1", BOUGHT, *events)


def test_everything_that_can_be_expected() -> None:
    assert (
        library(BookLent(reader="Ann"))
        .then(Shelved("b1", "Emma", Decimal("9.5"), "Ann", 1), Loan("b1", 1, "Ann", START))
        .then_rows(Loan, [Loan("b1", 1, "Ann", START)])
        .then_row(Shelved, "b1", reader="Ann", lent=1)
        .then_row(Loan, ("b1", 1), reader="Ann")
        .given("book-b1", BookReturned())
        .answered(GetBook(book_id="b1"), Shelved("b1", "Emma", Decimal("9.5"), None, 1))
        .answered(ListBooks(), Page([Shelved("b1", "Emma", Decimal("9.5"), None, 1)], 1, 50, 0))
        .asked(GetBook(book_id="b1"))
    ) == Shelved("b1", "Emma", Decimal("9.5"), None, 1)


def test_nothing_was_recorded() -> None:
    projecting(Library).then().then_rows(Shelved, [])


def test_rows_come_in_any_order() -> None:
    (
        library()
        .given("book-a1", BOUGHT)
        .given("book-c1", BOUGHT)
        .then(*[Shelved(key, "Emma", Decimal("9.5")) for key in ("c1", "a1", "b1")])
    )


def test_time_and_metadata_reach_the_handlers() -> None:
    later = datetime(2031, 5, 1, tzinfo=UTC)
    (
        library()
        .given("book-b1", BookLent(reader="Ann"), at=later, metadata=Metadata(actor="desk"))
        .given("book-b1", BookLent(reader="Bob"))
        .then_rows(Loan, [Loan("b1", 1, "Ann", later, "desk"), Loan("b1", 2, "Bob", later)])
    )


def test_expected_rows_are_compared_as_they_would_be_read() -> None:
    library().then(Shelved("b1", "Emma", Decimal("9.500")))


def test_events_that_nobody_handles_pass() -> None:
    library(Renamed(title="x")).then(EMMA)


class Titled(Event, name="titled", version=2):
    title: str


class Title(ReadModel, key="book_id"):
    book_id: str
    title: str


class Titles(Projection):
    titles: Table[Title]

    @project
    def titled(self, event: Titled, record: Record) -> None:
        self.titles.put(Title(record.key, event.title))


def test_records_of_old_shapes() -> None:
    @upcast("titled", from_version=1)
    def titled(data: dict[str, Any]) -> dict[str, Any]:
        return {"title": data["name"]}

    old = Record(7, "book-b1", 3, "titled", 1, "id", 0, '{"name": "Emma"}')
    (
        projecting(Titles, upcasters=[titled])
        .given_records(old)
        .given("book-b2", Titled(title="Persuasion"))
        .then(Title("b1", "Emma"), Title("b2", "Persuasion"))
    )


def said(error: pytest.ExceptionInfo[AssertionError]) -> str:
    return str(error.value)


def test_other_rows() -> None:
    with pytest.raises(AssertionError) as error:
        library().then(Shelved("b1", "Emma", Decimal("9.5"), lent=1), Shelved("b2", "Sanditon", Decimal(1)))
    assert said(error) == (
        "The rows of Library differ (- expected, + found):\n"
        "  - Shelved(book_id='b1', title='Emma', price=Decimal('9.5'), reader=None, lent=1)\n"
        "  + Shelved(book_id='b1', title='Emma', price=Decimal('9.5'), reader=None, lent=0)\n"
        "      lent: expected 1, got 0\n"
        "  - Shelved(book_id='b2', title='Sanditon', price=Decimal('1'), reader=None, lent=0)"
    )


Expectation = Callable[[ProjectionScenario], object]
COMPLAINTS: list[tuple[Expectation, str]] = [
    (lambda it: it.then(), "  + Shelved(book_id='b1'"),
    (lambda it: it.then_rows(Shelved, []), "The rows of Shelved differ"),
    (lambda it: it.then_row(Shelved, "b1", lent=2), "    lent: expected 2, is 0"),
    (lambda it: it.then_row(Shelved, "b2"), "no Shelved with the key 'b2'. It has:\n    Shelved(book_id='b1'"),
    (lambda it: it.then_row(Loan, ("b1", 1)), "It has:\n    (none)"),
    (lambda it: it.answered(GetBook(book_id="b1"), Shelved("b1", "Emma", Decimal(9))), "      price: expected"),
    (lambda it: it.failed(POISON), "  - BookLent(reader='the cat')"),
]


@pytest.mark.parametrize(("expect", "message"), COMPLAINTS)
def test_complaints(expect: Expectation, message: str) -> None:
    with pytest.raises(AssertionError) as error:
        expect(library())
    assert message in said(error)


def test_a_failure_that_was_not_expected() -> None:
    expectations: list[Expectation] = [
        lambda it: it.then(EMMA),
        lambda it: it.then_rows(Loan, []),
        lambda it: it.then_row(Shelved, "b1"),
        lambda it: it.asked(GetBook(book_id="b1")),
    ]
    for expect in expectations:
        with pytest.raises(AssertionError) as error:
            expect(library(POISON))
        assert said(error) == (
            "Library could not apply BookLent(reader='the cat') of book-b1 (position 2): ValueError: Cats cannot read. "
            "If that is right, say so with .failed(...)."
        )
        assert isinstance(error.value.__cause__, ValueError)


def test_failures_that_were_expected_stop_their_stream_only() -> None:
    (
        library(POISON, BookLent(reader="Ann"))
        .given("book-b2", BOUGHT, BookLent(reader="Bob"))
        .given("book-b3", BookReturned())
        .failed(POISON, BookReturned())
        .then(EMMA, Shelved("b2", "Emma", Decimal("9.5"), "Bob", 1), Loan("b2", 1, "Bob", START))
    )
    library(POISON).failed(POISON, error=ValueError, match="Cats").then(EMMA)


def test_failures_of_another_kind() -> None:
    with pytest.raises(AssertionError, match=r"ValueError: Cats cannot read\. Expected NotFound\."):
        library(POISON).failed(POISON, error=NotFound)
    with pytest.raises(AssertionError, match=r"Expected ValueError with 'Dogs'\."):
        library(POISON).failed(POISON, error=ValueError, match="Dogs")
    with pytest.raises(AssertionError, match=r"\+ BookLent\(reader='the cat'\)\n    Library could not apply"):
        library(POISON).failed()


def test_a_failure_given_after_the_expected_one_is_seen() -> None:
    begun = library(POISON).failed(POISON)
    with pytest.raises(AssertionError, match="could not apply BookReturned"):
        begun.given("book-b9", BookReturned()).then(EMMA)


def test_a_record_that_cannot_be_read_is_a_failure() -> None:
    broken = Record(1, "book-b1", 1, "book-bought", 1, "id", 0, '{"title": 5}')
    projecting(Library).given_records(broken).failed(broken, match="title").then()


class Cents(ReadModel, key="book_id"):
    book_id: str
    cents: int


class Prices(Projection):
    cents: Table[Cents]

    @project
    def bought(self, event: BookBought, record: Record) -> None:
        self.cents.put(Cents(record.key, int(event.price * 100)))


def test_rows_that_cannot_be_stored_are_failures_of_their_events() -> None:
    dear = BookBought(title="First folio", price=Decimal(2**70))
    (
        projecting(Prices)
        .given("book-b1", BOUGHT)
        .given("book-b2", dear)
        .given("book-b2", BOUGHT)
        .failed(dear, error=OverflowError)
        .then(Cents("b1", 950))
    )


def test_events_that_cannot_be_stored_cannot_be_given() -> None:
    with pytest.raises(InvalidEvent):
        library(BookLent(reader="\ud800"))


def test_queries_raise_what_they_raise() -> None:
    with pytest.raises(NotFound):
        library().asked(GetBook(book_id="b2"))
    with pytest.raises(StoreReadOnly):
        library().asked(Tidy())


def test_what_was_given_has_to_be_looked_at() -> None:
    with pytest.raises(AssertionError, match="nothing was expected of them"):
        library().check_looked_at()
    library().then(EMMA).check_looked_at()
    library(POISON).failed(POISON).check_looked_at()


OLD = Record(1, "book-b1", 1, "book-lent", 1, "id", 0, "{}")
NONSENSE: list[Callable[[], object]] = [
    lambda: projecting(str),  # type: ignore[arg-type] # pyright: ignore[reportArgumentType]
    lambda: projecting(Projection),
    lambda: library("no event"),
    lambda: projecting(Library).given(BOUGHT),  # type: ignore[arg-type] # pyright: ignore[reportArgumentType]
    lambda: library().then(Title("b1", "Emma")),
    lambda: library().then_rows(Title, []),
    lambda: library().then_row(Shelved, "b1", colour="red"),
    lambda: library().asked(Unanswered()),
    lambda: library().given("book-b1", BookReturned(), at=datetime(2029, 1, 1, tzinfo=UTC)),
    lambda: library().given_records(OLD),
]


@pytest.mark.parametrize("wrong", NONSENSE)
def test_scenarios_that_make_no_sense(wrong: Callable[[], object]) -> None:
    with pytest.raises(DefinitionError):
        wrong()


def test_streams_have_names_by_the_rules() -> None:
    with pytest.raises(InvalidName):
        projecting(Library).given("b1", BOUGHT)


async def test_scenarios_work_inside_a_running_loop() -> None:
    await asyncio.sleep(0)
    library().then(EMMA)
