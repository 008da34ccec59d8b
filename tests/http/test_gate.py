"""The gate: proofs, roles, rates, and who asks while a request is dealt with."""

import asyncio
import json
import sys
import time
from collections.abc import AsyncGenerator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from joserfc import jwt
from joserfc.jwk import ECKey
from starlette.requests import Request

from everfold.app.application import App
from everfold.errors import ConfigurationError, EverfoldError, NotAuthenticated
from everfold.http.api import HttpApi
from everfold.http.gate import OPEN, GateKeeper
from everfold.security.principal import ANONYMOUS, current_principal
from tests.http.bank import OpenAccount, bank
from tests.http.guarded import as_role, asking, code_of, gate_of, guarded, tokens_of

OPEN_A1 = {"account_id": "a1", "owner": "ann"}


@pytest.fixture
async def api(folder: Path) -> AsyncGenerator[HttpApi]:
    async with guarded(folder) as api:
        yield api


async def test_shut_by_default(api: HttpApi) -> None:
    async with asking(api) as client:
        refused = await client.get("/accounts")
        assert (refused.status_code, code_of(refused)) == (401, "not-authenticated")
        assert refused.headers["www-authenticate"] == 'Bearer realm="everfold"'
        assert (await client.post("/accounts", json=OPEN_A1)).status_code == 401
        assert (await client.get("/livez")).status_code == 200


async def test_a_role_is_enough_or_is_not(api: HttpApi) -> None:
    async with await as_role(api, "viewer") as viewer, await as_role(api, "operator") as operator:
        assert (await viewer.get("/accounts")).status_code == 200
        refused = await viewer.post("/accounts", json=OPEN_A1)
        assert (refused.status_code, code_of(refused)) == (403, "not-authorized")
        assert (await operator.post("/accounts", json=OPEN_A1)).status_code == 201


async def test_who_asks_is_the_actor(api: HttpApi) -> None:
    async with await as_role(api, "operator", tenant="north") as client:
        await client.post("/accounts", json=OPEN_A1)
    (record,) = [record async for record in api.app.store.records()]
    assert (record.metadata.actor, record.metadata.tenant) == ("token:a-operator", "north")


@pytest.mark.parametrize(
    "header", ["", "Bearer", "Bearer ", "Basic YTpi", "everfold_x", "Bearer everfold_x", "Bearer a.b.c"]
)
async def test_what_is_no_proof(api: HttpApi, header: str) -> None:
    async with asking(api) as client:
        response = await client.get("/accounts", headers={"authorization": header})
        assert response.status_code == 401


@pytest.mark.parametrize("name", ["authorization", "origin", "sec-fetch-site"])
async def test_two_proofs_are_none(api: HttpApi, name: str) -> None:
    async with asking(api) as client:
        response = await client.get("/accounts", headers=[(name, "Bearer x"), (name, "Bearer y")])
        assert (response.status_code, code_of(response)) == (400, "malformed-request")


def test_whatever_is_sent_is_refused(folder: Path) -> None:
    with asyncio.Runner() as runner:
        opened = guarded(folder)
        api = runner.run(opened.__aenter__())
        operation = next(each for each in api.operations if each.id == "get-list-accounts")

        @settings(max_examples=300, deadline=None)
        @given(st.binary(max_size=200) | st.binary(max_size=60).map(lambda some: b"Bearer everfold_" + some))
        def check(header: bytes) -> None:
            headers = [(b"host", b"localhost"), (b"authorization", header)]
            request = Request({"type": "http", "headers": headers, "client": None, "path_params": {}})
            with pytest.raises(NotAuthenticated):
                runner.run(api.gate.admit(request, operation))

        try:
            check()
        finally:
            runner.run(opened.__aexit__(None, None, None))


async def test_a_revoked_token_is_refused_within_a_second(api: HttpApi, monkeypatch: pytest.MonkeyPatch) -> None:
    now = [100.0]
    monkeypatch.setattr(gate_of(api).authentication, "_now", lambda: now[0])
    async with await as_role(api, "viewer") as client:
        assert (await client.get("/accounts")).status_code == 200
        await tokens_of(api).revoke("a-viewer")
        now[0] += 1.0
        refused = await client.get("/accounts")
        assert refused.status_code == 401
        assert "revoked" in refused.json()["detail"]


async def test_a_known_token_is_not_looked_up_each_time(api: HttpApi, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gate_of(api).authentication, "_now", lambda: 100.0)
    async with await as_role(api, "viewer") as client:
        await client.get("/accounts")
        monkeypatch.setattr(tokens_of(api), "find", None)
        assert (await client.get("/accounts")).status_code == 200


async def test_an_expired_token_is_refused_at_once_though_it_is_known(
    api: HttpApi, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with await as_role(api, "viewer", seconds=60) as client:
        assert (await client.get("/accounts")).status_code == 200
        later = api.app.clock.micros() + 61_000_000
        monkeypatch.setattr(gate_of(api).authentication, "_micros", lambda: later)
        refused = await client.get("/accounts")
        assert refused.status_code == 401
        assert "expired" in refused.json()["detail"]


async def test_a_token_for_some_operations_only(api: HttpApi) -> None:
    async with await as_role(api, "admin", only=["list-accounts", "list-streams"]) as client:
        assert (await client.get("/accounts")).status_code == 200
        assert (await client.get("/queries/list-accounts")).status_code == 200
        assert (await client.get("/streams")).status_code == 200
        refused = await client.get("/events")
        assert refused.status_code == 403
        assert "only for list-accounts, list-streams" in refused.json()["detail"]


async def test_each_caller_has_a_rate(folder: Path) -> None:
    async with guarded(folder, rate_limit=1) as api:
        async with await as_role(api, "viewer") as client:
            statuses = [(await client.get("/accounts")).status_code for _ in range(4)]
            limited = await client.get("/accounts")
        assert statuses[:2] == [200, 200]
        assert (limited.status_code, code_of(limited)) == (429, "rate-limited")
        assert int(limited.headers["retry-after"]) >= 1
        async with await as_role(api, "operator") as other:
            assert (await other.get("/accounts")).status_code == 200


async def test_guesses_have_a_rate(folder: Path) -> None:
    async with guarded(folder, rate_limit=1) as api, asking(api, "everfold_guess") as client:
        statuses = [(await client.get("/accounts")).status_code for _ in range(4)]
        assert (statuses[0], statuses[-1]) == (401, 429)
        assert (await client.get("/livez")).status_code == 200


async def test_an_open_gate(folder: Path) -> None:
    api = HttpApi(bank(str(folder / "open.db")), gate=OPEN)
    async with api.lifespan(), asking(api, url="http://whatever") as client:
        assert (await client.post("/accounts", json=OPEN_A1)).status_code == 201


def test_jwt_settings_that_leave_something_open(folder: Path) -> None:
    with pytest.raises(ConfigurationError, match="jwt_audience"):
        HttpApi(bank(str(folder / "bank.db"), jwt_keys="keys.json", jwt_issuer="https://idp"))


async def test_outside_a_request_policies_let_the_program_do_everything(api: HttpApi) -> None:
    assert current_principal().is_trusted
    async with asking(api) as client:
        await client.get("/accounts")
    assert current_principal().is_trusted
    assert not ANONYMOUS.is_trusted


async def test_a_live_answer_is_given_to_who_asked_and_not_to_the_program(folder: Path) -> None:
    """The principal holds until the answer has been sent, although the endpoint has returned."""
    seen: list[str] = []

    async def authorize(envelope: Any) -> bool:
        seen.append(current_principal().name)
        return True

    async with guarded(folder, authorize=authorize) as api, await as_role(api, "viewer") as client:
        await api.app.execute(OpenAccount(account_id="a1", owner="ann"))
        asked = asyncio.ensure_future(client.get("/queries/get-account/live?account_id=a1"))
        while "token:a-viewer" not in seen:
            assert not asked.done(), asked.result().text
            await asyncio.sleep(0.01)
        asked.cancel()
        await asyncio.gather(asked, return_exceptions=True)
    assert set(seen) == {"local", "token:a-viewer"}


async def test_a_gate_is_bound_to_the_store_that_is_open(folder: Path) -> None:
    app: App = bank(str(folder / "again.db"), authentication=True)
    api = HttpApi(app)
    async with api.lifespan(), await as_role(api, "viewer") as client:
        assert (await client.get("/accounts")).status_code == 200
        headers = client.headers
    async with api.lifespan(), asking(api) as client:
        assert (await client.get("/accounts", headers=headers)).status_code == 200
    with pytest.raises(EverfoldError):
        await GateKeeper(app).authentication.bearer("everfold_x")


async def test_a_token_of_an_identity_provider(folder: Path) -> None:
    key = ECKey.generate_key("P-256", {"kid": "k"}, auto_kid=False)
    keys = json.dumps({"keys": [key.as_dict(private=False)]})
    claims = {"iss": "https://idp", "aud": "bank", "sub": "ann", "exp": time.time() + 60, "roles": ["operator"]}

    def signed(**others: object) -> str:
        return jwt.encode({"alg": "ES256", "kid": "k"}, claims | others, key, algorithms=["ES256"])

    async with guarded(folder, jwt_keys=keys, jwt_issuer="https://idp", jwt_audience="bank") as api:
        async with asking(api, signed()) as client:
            for account in ("a1", "a2"):
                body = OPEN_A1 | {"account_id": account}
                assert (await client.post("/accounts", json=body)).status_code == 201
        for others, status in (({"roles": ["viewer"]}, 403), ({"aud": "shop"}, 401), ({"exp": 1}, 401)):
            async with asking(api, signed(**others)) as client:
                assert (await client.post("/accounts", json=OPEN_A1)).status_code == status
        async with await as_role(api, "viewer") as client:
            assert (await client.get("/accounts")).status_code == 200
        records = [record async for record in api.app.store.records()]
        assert [record.metadata.actor for record in records] == ["ann", "ann"]


async def test_what_the_command_line_gives_and_takes_is_seen_by_a_service_that_runs(folder: Path) -> None:
    async with guarded(folder) as api:
        secret = (await _everfold("tokens", "create", "x", "--role", "viewer", "--store", "guarded.db")).strip()
        async with asking(api, secret) as client:
            assert (await client.get("/accounts")).status_code == 200
            await _everfold("tokens", "revoke", "x", "--store", "guarded.db")
            async with asyncio.timeout(20):
                is_refused = False
                while not is_refused:
                    await asyncio.sleep(0.05)
                    is_refused = (await client.get("/accounts")).status_code == 401


async def _everfold(*arguments: str) -> str:
    code = "from everfold.cli.main import main; main()"
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", code, *arguments, stdout=asyncio.subprocess.PIPE
    )
    told, _ = await process.communicate()
    assert process.returncode == 0
    return told.decode()
