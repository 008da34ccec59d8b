"""Services: function handlers get what they ask for by type."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any, Protocol, runtime_checkable

import pytest

from everfold import App, Command, Repository
from everfold.errors import DefinitionError
from tests.app.bank import Account


class Rates(ABC):
    @abstractmethod
    def rate(self) -> float: ...


class FixedRates(Rates):
    def rate(self) -> float:
        return 2.0


class OtherRates(Rates):
    def rate(self) -> float:
        return 3.0


@runtime_checkable
class Sends(Protocol):
    def send(self, text: str) -> None: ...


class Prints(Protocol):
    def print(self) -> str: ...


class Post:
    def __init__(self) -> None:
        self.sent: list[str] = []

    def send(self, text: str) -> None:
        self.sent.append(text)

    def print(self) -> str:
        return ", ".join(self.sent)


class Do(Command[str]):
    pass


async def test_services_are_found_by_class_base_class_and_protocol() -> None:
    post = Post()
    app = App("shop", store="memory:", services=[FixedRates(), post])

    @app.handles(Do)
    async def do(command: Do, exact: FixedRates, rates: Rates, sends: Sends, own: Post) -> str:
        sends.send(f"{exact.rate()} {rates.rate()}")
        return own.print()

    async with app:
        assert (await app.execute(Do())).reply == "2.0 2.0"


async def test_a_mapping_says_what_serves_which_type() -> None:
    services: dict[type, object] = {Rates: OtherRates(), FixedRates: FixedRates(), Prints: Post(), str: "text"}
    app = App("shop", store="memory:", services=services)

    @app.handles(Do)
    def do(command: Do, rates: Rates, prints: Prints, text: str) -> str:
        return f"{rates.rate()} {prints.print()}{text}"

    async with app:
        assert (await app.execute(Do())).reply == "3.0 text"


@pytest.mark.parametrize(
    ("services", "problem"),
    [
        ([], "asks for Rates, and the app has no service of that type"),
        ([FixedRates(), OtherRates()], "asks for Rates, and the app has 2 services of that type"),
        ({FixedRates: FixedRates()}, "asks for Rates, and the app has no service"),
    ],
)
async def test_a_service_that_is_missing_or_ambiguous_is_an_error_at_start(services: Any, problem: str) -> None:
    app = App("shop", store="memory:", services=services)

    @app.handles(Do)
    def do(command: Do, rates: Rates) -> None: ...

    with pytest.raises(DefinitionError, match=problem):
        await app.__aenter__()


@pytest.mark.parametrize("kind", [Prints, Repository, list[int], "int | None"])
async def test_what_no_service_can_be_is_an_error_at_start(kind: Any) -> None:
    app = App("shop", Account, store="memory:", services=[Post()])

    def do(command: Do, wanted: Any) -> None: ...

    do.__annotations__["wanted"] = kind
    app.handles(Do)(do)
    with pytest.raises(DefinitionError, match="do asks for"):
        await app.__aenter__()


def test_a_handler_takes_its_message_first() -> None:
    app = App("shop")
    with pytest.raises(DefinitionError, match="takes no message"):

        @app.handles(Do)
        def nothing() -> None: ...

    with pytest.raises(DefinitionError, match="is registered for Do, but its first parameter is"):

        @app.handles(Do)
        def other(command: int) -> None: ...

    with pytest.raises(DefinitionError, match="has no type"):

        @app.handles(Do)
        def untyped(command) -> None: ...  # type: ignore[no-untyped-def]  # noqa: ANN001 (that is the point)


async def test_a_handler_may_be_any_callable_sync_or_async() -> None:
    for is_async in (True, False):
        app = App("shop", store="memory:")
        if is_async:

            @app.handles(Do)
            async def later(command: Do) -> str:
                return "done"

        else:

            @app.handles(Do)
            def now(command: Do) -> str:
                return "done"

        async with app:
            done = await app.execute(Do())
            assert (done.reply, done.stream, done.version, done.position) == ("done", None, 0, 0)
