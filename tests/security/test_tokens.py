"""Tokens, codes and sessions: kept as hashes, durable, the same for all processes, on every engine."""

import asyncio
from collections.abc import AsyncGenerator
from pathlib import Path

import pytest

from everfold.engines.connect import connect
from everfold.errors import Conflict, EverfoldError, InvalidName, NotFound
from everfold.log.engine import Engine
from everfold.security.tokens import CODE, SESSION, Tokens, digest_of, looks_like_a_token
from everfold.testing.frozen_clock import FrozenClock


@pytest.fixture(params=["memory:", "bank.db", "postgres"])
async def engine(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncGenerator[Engine]:
    url = str(tmp_path / request.param) if request.param == "bank.db" else request.param
    engine = connect(request.getfixturevalue("postgres_url") if url == "postgres" else url)
    await engine.open()
    yield engine
    await engine.close()


@pytest.fixture
def clock() -> FrozenClock:
    return FrozenClock()


@pytest.fixture
def tokens(engine: Engine, clock: FrozenClock) -> Tokens:
    return Tokens(engine.beside, clock)


async def test_what_is_known_of_a_token(tokens: Tokens, clock: FrozenClock) -> None:
    secret = await tokens.create("a", ["b", "a"], seconds=60, only=["x"], tenant="north", by="ann")
    found = await tokens.find(digest_of(secret))
    assert found is not None
    assert (found.kind, found.name, found.roles, found.only) == ("token", "a", ("a", "b"), ("x",))
    assert (found.tenant, found.created_by, found.revoked) == ("north", "ann", None)
    assert found.expires == found.created + 60_000_000
    assert found.is_in_force(clock.micros() + 59_999_999)
    assert not found.is_in_force(clock.micros() + 60_000_000)
    assert await tokens.find(digest_of(secret + "x")) is None


async def test_secrets_are_long_and_all_different(tokens: Tokens) -> None:
    secrets = {await tokens.create(f"t{number}", ["viewer"]) for number in range(20)}
    assert len(secrets) == 20
    assert all(looks_like_a_token(secret) and len(secret) == 52 for secret in secrets)


async def test_other_processes_see_it(tokens: Tokens, engine: Engine, clock: FrozenClock) -> None:
    secret = await tokens.create("a", ["viewer"])
    others = Tokens(engine.beside, clock)
    assert await others.find(digest_of(secret))
    await others.revoke("a")
    found = await tokens.find(digest_of(secret))
    assert found is not None and not found.is_in_force(clock.micros())


async def test_it_lasts(tmp_path: Path, clock: FrozenClock) -> None:
    secret = ""
    for _ in range(2):
        engine = connect(str(tmp_path / "bank.db"))
        await engine.open()
        tokens = Tokens(engine.beside, clock)
        secret = secret or await tokens.create("a", ["viewer"])
        assert await tokens.find(digest_of(secret))
        await engine.close()


async def test_a_name_is_taken_while_its_token_is_in_force(tokens: Tokens, clock: FrozenClock) -> None:
    await tokens.create("a", ["viewer"], seconds=60)
    with pytest.raises(Conflict):
        await tokens.create("a", ["viewer"])
    clock.advance(60)
    await tokens.create("a", ["viewer"])
    await tokens.revoke("a")
    await tokens.create("a", ["viewer"])
    assert [each.is_in_force(clock.micros()) for each in await tokens.list()] == [False, False, True]


async def test_of_many_that_want_a_name_one_gets_it(tokens: Tokens) -> None:
    found = await asyncio.gather(*(tokens.create("a", ["viewer"]) for _ in range(10)), return_exceptions=True)
    assert sum(isinstance(each, str) for each in found) == 1
    assert all(isinstance(each, str | Conflict) for each in found)


async def test_revoking_what_is_not_in_force(tokens: Tokens) -> None:
    with pytest.raises(NotFound):
        await tokens.revoke("a")
    await tokens.create("a", ["viewer"], kind=SESSION)
    with pytest.raises(NotFound):
        await tokens.revoke("a")


async def test_of_many_that_use_a_code_one_may(tokens: Tokens) -> None:
    code = await tokens.create("ann", ["operator"], kind=CODE, seconds=60)
    assert await tokens.use_up(code, SESSION) is None
    found = await asyncio.gather(*(tokens.use_up(code, CODE) for _ in range(10)))
    assert sum(each is not None for each in found) == 1


async def test_old_codes_and_sessions_are_forgotten_and_tokens_are_not(tokens: Tokens, clock: FrozenClock) -> None:
    for kind in (CODE, SESSION):
        await tokens.create("ann", ["operator"], kind=kind, seconds=60)
    await tokens.create("a", ["viewer"], seconds=60)
    clock.advance(86_400)
    await tokens.create("b", ["viewer"])
    assert len(await tokens.list(CODE)) == 1
    clock.advance(61)
    await tokens.create("c", ["viewer"])
    assert (await tokens.list(CODE), await tokens.list(SESSION)) == ([], [])
    assert [each.name for each in await tokens.list()] == ["a", "b", "c"]


@pytest.mark.parametrize(("name", "roles"), [("", ["x"]), ("a b", ["x"]), ("a", []), ("a", [""]), ("a", ["x\n"])])
async def test_names_that_cannot_be(tokens: Tokens, name: str, roles: list[str]) -> None:
    with pytest.raises(InvalidName):
        await tokens.create(name, roles)
    with pytest.raises(EverfoldError):
        await tokens.revoke("a")
