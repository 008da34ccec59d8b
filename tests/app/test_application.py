"""The App: what it is made of, and what it tells about itself."""

from __future__ import annotations

from typing import Any

import pytest

from everfold import Aggregate, App, Command, DecisionModel, Event, Events, Query, decide, evolve, upcast
from everfold.errors import DefinitionError, UnknownMessage
from tests.app.bank import Account, Pay
from tests.app.stores import StoreMaker


class Do(Command, name="do-it"):
    pass


class Look(Query[int]):
    pass


class Loose(Event, version=2):
    pass


@upcast("loose", from_version=1)
def loosen(data: dict[str, Any]) -> dict[str, Any]:
    return data


def test_an_app_tells_its_commands_queries_and_aggregates() -> None:
    app = App("bank", Account, Loose, loosen)

    @app.handles(Do)
    def do(command: Do) -> None: ...

    @app.answers(Look)
    def look(query: Look) -> int:
        return 0

    assert app.commands()["do-it"] is Do
    assert app.commands()["pay"] is Pay
    assert app.queries() == {"look": Look}
    assert app.aggregates() == {"account": Account}
    assert Loose in app.codec().registry.by_class
    assert app.engine is None


@pytest.mark.parametrize("part", [5, "Account", int, Aggregate, DecisionModel, Do, Event, None])
def test_what_cannot_be_a_part_is_refused(part: Any) -> None:
    with pytest.raises(DefinitionError, match="cannot be a part of an App"):
        App("bank", part)


def test_two_aggregates_cannot_share_a_category() -> None:
    class Other(Aggregate, key="account", category="account"):
        pass

    with pytest.raises(DefinitionError, match=r"Account and .*Other both write to the category 'account'"):
        App("bank", Account, Other)


def test_a_command_has_one_handler() -> None:
    class Rival(Aggregate, key="account"):
        @decide
        def pay(self, command: Pay) -> Events:
            yield from ()

    with pytest.raises(DefinitionError, match=r"Pay has two handlers"):
        App("bank", Account, Rival)
    app = App("bank", Account)
    with pytest.raises(DefinitionError, match="Pay has two handlers"):

        @app.handles(Pay)
        def pay(command: Pay) -> None: ...


def test_a_query_has_one_handler() -> None:
    app = App("bank")

    @app.answers(Look)
    def look(query: Look) -> int:
        return 0

    with pytest.raises(DefinitionError, match="Look has two handlers"):

        @app.answers(Look)
        def look_again(query: Look) -> int:
            return 0


async def test_an_unknown_command_or_query_tells_what_there_is(store: StoreMaker) -> None:
    app = App("bank", Account, store=store())

    @app.answers(Look)
    def look(query: Look) -> int:
        return 0

    class Find(Query[int]):
        pass

    async with app:
        wrong: Any
        for wrong, name in ((Do(), "do-it"), ("pay", "str"), (None, "NoneType"), (Pay, "MessageMeta")):
            with pytest.raises(UnknownMessage, match="Known: break, note, open, pay") as error:
                await app.execute(wrong)
            assert (error.value.kind, error.value.name) == ("command", name)
        for wrong, name in ((Find(), "find"), (5, "int")):
            with pytest.raises(UnknownMessage, match="Known: look") as error:
                await app.ask(wrong)
            assert (error.value.kind, error.value.name) == ("query", name)
        assert await app.store.head() == 0


async def test_a_subclass_of_a_command_is_another_command(store: StoreMaker) -> None:
    class PayMore(Pay):
        pass

    async with App("bank", Account, store=store()) as app:
        with pytest.raises(UnknownMessage, match="'pay-more'"):
            await app.execute(PayMore(account="a1", amount=1))


async def test_an_event_that_nobody_evolves_by_may_be_given_and_appended(store: StoreMaker) -> None:
    class Noticed(Event):
        what: str

    async with App("log", events=[Noticed], store=store()) as app:
        await app.store.append("log-1", Noticed(what="rain"))
        assert [event async for event, _ in app.store.read()] == [Noticed(what="rain")]


async def test_an_old_event_is_read_in_its_newest_shape(store: StoreMaker) -> None:
    class Named(Event):
        name: str

    class NamedAgain(Event, name="named", version=2):
        first: str

    @upcast("named", from_version=1)
    def split(data: dict[str, Any]) -> dict[str, Any]:
        return {"first": data["name"].split()[0]}

    class Rename(Command):
        person: str

    class Person(Aggregate, key="person"):
        first: str = ""

        @decide
        def rename(self, command: Rename) -> Events:
            yield NamedAgain(first=self.first + "!")

        @evolve
        def named(self, event: NamedAgain) -> None:
            self.first = event.first

    async with App("people", Named, store=store()) as app:
        await app.store.append("person-p1", Named(name="Ann Lee"))
    async with App("people", Person, split, store=store()) as app:
        await app.execute(Rename(person="p1"))
        assert (await app.load(Person, "p1")).first == "Ann!"
