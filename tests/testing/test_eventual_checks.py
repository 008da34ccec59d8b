"""``eventually``: when it looks again, what it returns, and what it says when it gives up."""

import asyncio
from decimal import Decimal
from typing import Literal

import pytest

from everfold import App, NotFound
from everfold.testing import eventually, memory_app
from tests.testing.reading_room import Book, BuyBook, GetBook, LendBook, Library, Shelved


def app() -> App:
    return memory_app(Book, Library)


async def buy(app: App, key: str = "b1") -> None:
    await app.execute(BuyBook(book_id=key, title="Emma", price=Decimal(1)))


async def test_it_returns_what_the_check_returns() -> None:
    assert await eventually(lambda: 5) == 5
    assert not await eventually(lambda: 0), "only False means that it does not hold"


async def test_it_waits_for_a_projection() -> None:
    async with app() as library:
        await buy(library)

        async def book() -> Shelved:
            return await library.ask(GetBook(book_id="b1"))

        assert await eventually(book, app=library) == Shelved("b1", "Emma", Decimal(1))


async def test_it_waits_for_what_others_write() -> None:
    async with app() as library:
        looked = asyncio.Event()

        async def is_lent() -> None:
            looked.set()
            assert (await library.ask(GetBook(book_id="b1"))).reader == "Ann"

        waiting = asyncio.create_task(eventually(is_lent, app=library))
        await looked.wait()
        await buy(library)
        await library.execute(LendBook(book_id="b1", reader="Ann"))
        await waiting


async def test_it_looks_again_when_something_has_happened() -> None:
    async with app() as library:
        await buy(library)
        await eventually(lambda: library.ask(GetBook(book_id="b1")), app=library)
        looks = 0

        async def head() -> int:
            nonlocal looks
            looks += 1
            found = await library.store.head()
            assert found == 3
            return found

        waiting = asyncio.create_task(eventually(head, app=library, timeout=30))
        await eventually(lambda: looks > 0)
        await buy(library, "b2")
        await buy(library, "b3")
        assert await waiting == 3


async def test_without_an_app_it_looks_now_and_then() -> None:
    answers = iter([False, False, True])
    assert await eventually(lambda: next(answers)) is True


async def test_it_tells_the_last_failure() -> None:
    numbers = iter(range(1_000_000))

    def never() -> None:
        raise AssertionError(f"not {next(numbers)}")

    with pytest.raises(
        AssertionError, match=r"^It did not hold within 0\.02 s\. At attempt \d+, the last one, AssertionError: not \d+"
    ) as error:
        await eventually(never, timeout=0.02)
    assert isinstance(error.value.__cause__, AssertionError)


async def test_it_tells_that_false_was_returned() -> None:
    def never() -> Literal[False]:
        return False

    with pytest.raises(AssertionError, match="At the only attempt it returned False"):
        await eventually(never, timeout=0)


async def test_a_look_that_was_begun_may_end_when_time_is_up() -> None:
    async def slow() -> int:
        for _ in range(10):
            await asyncio.sleep(0)
        return 5

    assert await eventually(slow, timeout=0) == 5


async def test_errors_of_everfold_are_waited_out_and_told() -> None:
    async with app() as library:
        await buy(library)
        await eventually(lambda: library.ask(GetBook(book_id="b1")), app=library)
        with pytest.raises(AssertionError, match="NotFound: There is no Shelved 'b9'") as error:
            await eventually(lambda: library.ask(GetBook(book_id="b9")), app=library, timeout=0.02)
        assert isinstance(error.value.__cause__, NotFound)


async def test_a_check_that_waits_for_ever_is_given_up() -> None:
    cancelled: list[int] = []

    async def never() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            cancelled.append(1)

    with pytest.raises(AssertionError, match=r"^It did not hold within 0\.02 s\. At the only attempt it was still"):
        await eventually(never, timeout=0.02)
    assert cancelled == [1]


async def test_it_tells_what_was_wrong_before_it_waited_for_ever() -> None:
    looks = 0

    async def stuck() -> None:
        nonlocal looks
        looks += 1
        assert looks > 1, "too early"
        await asyncio.Event().wait()

    with pytest.raises(AssertionError, match="still waiting; before that AssertionError: too early") as error:
        await eventually(stuck, timeout=0.02)
    assert isinstance(error.value.__cause__, AssertionError)


async def test_a_timeout_of_the_check_itself_ends_it_at_once() -> None:
    async def slow() -> None:
        async with asyncio.timeout(0):
            await asyncio.Event().wait()

    with pytest.raises(TimeoutError):
        await eventually(slow)


async def test_other_errors_end_it_at_once() -> None:
    looks: list[int] = []

    def broken() -> None:
        looks.append(1)
        raise ValueError("broken")

    with pytest.raises(ValueError, match="broken"):
        await eventually(broken)
    assert len(looks) == 1
