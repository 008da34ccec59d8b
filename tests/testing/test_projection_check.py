"""``check_projection``: what it lets pass, and what it finds."""

from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from typing import Annotated, Any

import pytest
from msgspec import Meta

from everfold import Aggregate, Command, Event, Events, Projection, Record, Table, decide, evolve, project
from everfold.errors import DefinitionError
from everfold.testing import check_projection
from tests.testing.reading_room import Book, BookBought, BookLent, Careful, LendBook, Library, Shelved


def complaint(projection: type[Projection], **options: Any) -> str:
    with pytest.raises(AssertionError) as error:
        check_projection(projection, **options)
    assert not hasattr(error.value, "__notes__")
    return str(error.value)


class Reader(Projection):
    """Forgets that a book may have been lent by an event without a reader."""

    books: Table[Shelved]

    @project
    def bought(self, event: BookBought, record: Record) -> None:
        self.books.put(Shelved(record.key, event.title, event.price))

    @project
    def lent(self, event: BookLent, record: Record) -> None:
        self.books[record.key].reader = event.reader


def test_what_an_aggregate_decides_comes_in_possible_order() -> None:
    check_projection(Library, aggregates=[Book])


def test_without_an_aggregate_events_come_in_any_order() -> None:
    check_projection(Careful)
    text = complaint(Reader)
    assert "Reader failed on BookLent(reader='') of example-1: NotFound: There is no Shelved '1'." in text
    assert "aggregates=[...] or begins_with=..." in text
    assert text.endswith("The history:\n    example-1: BookLent(reader='')")


def test_events_may_have_to_begin_a_stream() -> None:
    check_projection(Reader, begins_with=BookBought)


class OnlyOnce(Projection):
    books: Table[Shelved]

    @project
    def bought(self, event: BookBought, record: Record) -> None:
        if record.key in self.books:
            raise ValueError("It was bought already.")
        self.books.put(Shelved(record.key, event.title, event.price))

    @project
    def lent(self, event: BookLent, record: Record) -> None:
        assert self.books[record.key].book_id
        assert record.category == "book"


def test_what_begins_a_stream_comes_once_and_streams_have_the_category() -> None:
    check_projection(OnlyOnce, begins_with=[BookBought], category="book")


def test_the_history_that_is_shown_is_short() -> None:
    text = complaint(Library, aggregates=[Book], examples=[LendBook(book_id="x", reader="the cat")])
    assert "ValueError: Cats cannot read." in text
    assert text.count("\n    book-") == 2


class Impatient(Projection):
    """Its rows depend on where a batch ended."""

    books: Table[Shelved]

    @project
    def bought(self, event: BookBought, record: Record) -> None:
        self.connection.execute(self.books.sql.update().values(lent=self.books.sql.c.lent + 1))
        self.books.put(Shelved(record.key, event.title, event.price))


class Remembering(Projection):
    """Its rows depend on what its instance remembers."""

    books: Table[Shelved]
    seen = 0

    @project
    def bought(self, event: BookBought, record: Record) -> None:
        self.seen += 1
        self.books.put(Shelved(record.key, event.title, event.price, lent=self.seen))


class Hasty(Projection):
    """Its rows depend on the clock."""

    books: Table[Shelved]

    @project
    def bought(self, event: BookBought, record: Record) -> None:
        self.books.put(Shelved(record.key, datetime.now(UTC).isoformat(), event.price))


def test_batch_borders_must_not_matter() -> None:
    check_projection(Impatient)
    for projection in (Remembering, Hasty):
        assert f"{projection.__name__} has other rows when events come" in complaint(projection)


class Stuffed(Event):
    value: Any


class Stuffing(Projection):
    books: Table[Shelved]

    @project
    def stuffed(self, event: Stuffed) -> None:
        """Nothing."""


def test_events_have_to_survive_being_stored() -> None:
    check_projection(Stuffing)
    assert "cannot be stored" in complaint(Stuffing, examples=[Stuffed(value={1})])


def test_every_handled_event_has_to_occur() -> None:
    class Closed(Event):
        pass

    class Shop(Aggregate, key="book_id"):
        @decide
        def lend(self, command: LendBook) -> Events:
            yield BookLent(reader=command.reader)

        @evolve
        def changed(self, event: BookLent | Closed) -> None: ...

    class Lent(Projection):
        books: Table[Shelved]

        @project
        def changed(self, event: BookLent | Closed) -> None: ...

    assert "Lent handles" in complaint(Lent, aggregates=[Shop])
    check_projection(Lent, aggregates=[Shop], examples=[Closed()])


def test_examples_of_events_are_taken_instead_of_random_ones() -> None:
    examples = [BookBought(title="Emma", price=Decimal(1)), BookLent(reader="Ann"), BookLent(reader="Bob")]
    found: set[object] = set()

    class Watching(Projection):
        books: Table[Shelved]

        @project
        def happened(self, event: BookBought | BookLent) -> None:
            found.add(event)

    check_projection(Watching, examples=examples)
    assert found == set(examples)


def test_two_writers_at_once() -> None:
    class Noted(Event):
        text: str

    class Both(Library):
        @project
        def noted(self, event: Noted, record: Record) -> None:
            assert record.category == "example"

    check_projection(Both, aggregates=[Book])


@dataclass(frozen=True)
class Part:
    count: Annotated[int, Meta(ge=1, le=3)]
    weight: Annotated[float, Meta(gt=0)] | None = None


class Everything(Event):
    code: Annotated[str, Meta(pattern="^[A-Z]{3}$")]
    short: Annotated[str, Meta(min_length=2, max_length=3)]
    even: Annotated[int, Meta(multiple_of=2, lt=10)]
    parts: Annotated[list[Part], Meta(min_length=1)]
    names: dict[str, set[int]]
    pair: tuple[int, str]
    when: datetime
    raw: bytes
    price: Decimal
    kind: int | str | None = None


class Kept(Projection):
    books: Table[Shelved]

    @project
    def kept(self, event: Everything, record: Record) -> None:
        assert event.code[:3].isalpha()
        assert 2 <= len(event.short) <= 3
        assert event.even % 2 == 0
        assert event.parts[0].count in {1, 2, 3}


def test_values_keep_the_rules_of_their_fields() -> None:
    check_projection(Kept)


class Odd(Event):
    number: int

    def __post_init__(self) -> None:
        if self.number % 2 == 0:
            raise ValueError("even")


class Rest(Projection):
    books: Table[Shelved]

    @project
    def odd(self, event: Odd, record: Record) -> None:
        assert event.number % 2


def test_values_keep_rules_that_only_the_event_knows() -> None:
    check_projection(Rest)


class Order(Command):
    number: int


class Ordered(Event):
    pass


class Numbered(Aggregate, key="number"):
    @decide
    def order(self, command: Order) -> Events:
        yield Ordered()

    @evolve
    def ordered(self, event: Ordered) -> None: ...


class Orders(Projection):
    books: Table[Shelved]

    @project
    def ordered(self, event: Ordered, record: Record) -> None:
        int(record.key)


def test_keys_need_not_be_text() -> None:
    check_projection(Orders, aggregates=[Numbered])


class Empty(Projection):
    books: Table[Shelved]


NONSENSE: list[Any] = [str, Projection, Empty]


@pytest.mark.parametrize("projection", NONSENSE)
def test_what_cannot_be_checked(projection: Any) -> None:
    with pytest.raises(DefinitionError):
        check_projection(projection)
