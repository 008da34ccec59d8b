"""Policies: who may send what, as far as it can be told early, and with the message."""

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from everfold import Aggregate, App, Command, Event, Events, Query, decide, evolve
from everfold.engines.memory.engine import MemoryEngine
from everfold.errors import DefinitionError, NotAuthorized
from everfold.security.policies import Policies, Rule, allowed, anyone, known, nobody, owner_of, roles, stream
from everfold.security.principal import ANONYMOUS, ANYBODY, LOCAL, Principal, acting_as, current_principal
from everfold.security.roles import has_role


class Noted(Event):
    text: str


class Note(Command):
    book: str
    owner: str
    text: str = ""


class Wipe(Command):
    book: str


class Count(Query[int]):
    owner: str = ""


class Book(Aggregate, key="book"):
    """Notes."""

    count: int = 0

    @decide
    def note(self, command: Note) -> Events:
        yield Noted(text=command.text)

    @decide
    def wipe(self, command: Wipe) -> Events:
        yield Noted(text="")

    @evolve
    def noted(self, event: Noted) -> None:
        self.count += 1


def who(name: str = "ann", *own: str, **facts: Any) -> Principal:
    return Principal(name=name, roles=frozenset(own), **facts)


ANN = Note(book="b", owner="ann")


@pytest.mark.parametrize(
    ("rule", "principal", "early", "verdict"),
    [
        (anyone(), ANONYMOUS, True, True),
        (known(), ANONYMOUS, False, False),
        (known(), who(), True, True),
        (nobody(), who("ann", "admin"), False, False),
        (roles("teller"), who("ann", "teller"), True, True),
        (roles("teller"), who("ann", "admin"), False, False),
        (roles("viewer"), who("ann", "admin"), True, True),
        (roles("operator"), who("ann", "viewer"), False, False),
        (roles("x", "teller"), who("ann", "teller"), True, True),
        (roles("admin"), Principal(name="x", roles=frozenset({"admin"}), is_known=False), False, False),
        (owner_of("owner"), who("ann"), None, True),
        (owner_of("owner"), who("bob"), None, False),
        (owner_of("owner"), ANONYMOUS, False, False),
        (owner_of("owner", claim="email"), who("bob", claims={"email": "ann"}), None, True),
        (owner_of("owner", claim="email"), who("ann"), None, False),
        (roles("teller") | owner_of("owner"), who("bob", "teller"), True, True),
        (roles("teller") | owner_of("owner"), who("ann"), None, True),
        (roles("teller") | owner_of("owner"), who("bob"), None, False),
        (roles("teller") | owner_of("owner"), ANONYMOUS, False, False),
        (roles("teller") & owner_of("owner"), who("ann", "teller"), None, True),
        (roles("teller") & owner_of("owner"), who("bob", "teller"), None, False),
        (roles("teller") & owner_of("owner"), who("ann"), False, False),
        (known() & anyone(), who(), True, True),
        (allowed(lambda principal, message: message.owner == principal.name), who("ann"), None, True),
        (allowed(lambda principal, message: True), ANONYMOUS, False, False),
        (anyone() & allowed(lambda principal, message: False), who(), None, False),
    ],
)
async def test_verdicts(rule: Rule, principal: Principal, early: bool | None, verdict: bool) -> None:
    assert rule.early(principal) is early
    assert await rule.allows(principal, ANN) is verdict


async def test_a_function_may_wait() -> None:
    async def slow(principal: Principal, message: Note) -> bool:
        await asyncio.sleep(0)
        return message.owner == principal.name

    assert await allowed(slow).allows(who("ann"), ANN)
    assert not await allowed(slow).allows(who("bob"), ANN)


def app(authorize: Any = None) -> App:
    made = App("notes", Book, store=MemoryEngine(), authorize=authorize)

    @made.answers(Count)
    def count(query: Count) -> int:
        return 1

    return made


async def attempt(done: Callable[[], Awaitable[Any]]) -> bool:
    try:
        await done()
    except NotAuthorized:
        return False
    return True


async def test_every_message_is_asked_about() -> None:
    async with app(Policies({Note: roles("writer") | owner_of("owner"), Count: anyone()})) as notes:
        for principal, expected in [
            (who("ann"), (True, False, True)),
            (who("bob"), (False, False, True)),
            (who("bob", "writer"), (True, False, True)),
            (who("bob", "operator"), (False, True, True)),
            (ANONYMOUS, (False, False, True)),
            (ANYBODY, (True, True, True)),
        ]:
            with acting_as(principal):
                found = (
                    await attempt(lambda: notes.execute(ANN)),
                    await attempt(lambda: notes.execute(Wipe(book="b"))),
                    await attempt(lambda: notes.ask(Count())),
                )
            assert found == expected, principal.name


async def test_the_program_itself_may_do_everything() -> None:
    assert current_principal() is LOCAL
    async with app(Policies({Note: nobody(), Wipe: nobody(), Count: nobody()})) as notes:
        await notes.execute(ANN)
        assert await notes.ask(Count()) == 1


async def test_an_app_without_policies_asks_nobody() -> None:
    async with app() as notes:
        with acting_as(ANONYMOUS):
            await notes.execute(ANN)


async def test_who_asks_is_forgotten_afterwards() -> None:
    with pytest.raises(ValueError), acting_as(ANONYMOUS):
        raise ValueError
    assert current_principal() is LOCAL


@pytest.mark.parametrize(
    "rules",
    [
        {Noted: anyone()},
        {"note": anyone()},
        {Book: anyone()},
        {Note: True},
        {Note: "admin"},
        {Wipe: owner_of("owner")},
        {Wipe: roles("x") | owner_of("owner")},
        {stream("book"): owner_of("owner")},
        {stream("book"): allowed(lambda principal, message: True)},
    ],
    ids=range(9),
)
def test_policies_that_make_no_sense(rules: Any) -> None:
    with pytest.raises(DefinitionError):
        Policies(rules)


def test_roles_need_names_and_categories_are_checked() -> None:
    with pytest.raises(DefinitionError):
        roles()
    with pytest.raises(ValueError, match="cannot be a category"):
        stream("a-b")


def test_roles_include_those_below() -> None:
    assert [has_role(who("x", "operator"), role) for role in ("viewer", "operator", "admin", "x")] == [
        True,
        True,
        False,
        False,
    ]
    assert has_role(who("x", "teller"), "teller")


async def test_streams(tmp_path: Path) -> None:
    policies = Policies({stream("book"): roles("auditor")})
    assert policies.stream_rule("book").early(who("x", "auditor"))
    assert not policies.stream_rule("book").early(who("x", "admin"))
    assert policies.stream_rule("other").early(who("x", "viewer"))
    assert not policies.stream_rule("other").early(ANONYMOUS)
