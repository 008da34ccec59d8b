"""Who may use which operation: one table, complete by construction. A route that is not in it fails a test."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import httpx
import msgspec
import pytest
from starlette.requests import Request
from starlette.responses import Response

from everfold.app.middleware import Envelope
from everfold.errors import DefinitionError
from everfold.http.access import AccessRules
from everfold.http.api import HttpApi
from everfold.http.handling import Handling
from everfold.http.operation import Needs, Operation
from everfold.security.policies import Policies, anyone, known, owner_of, roles, stream
from tests.http.bank import Deposit, GetAccount, ListAccounts, OpenAccount, Withdraw, bank
from tests.http.guarded import asking, guarded, tokens_of

ROLES = ("viewer", "operator", "admin", "teller")
EVERYBODY = frozenset({"anonymous", *ROLES})
KNOWN = frozenset(ROLES)
VIEWERS = frozenset({"viewer", "operator", "admin"})
OPERATORS = frozenset({"operator", "admin"})
ADMINS = frozenset({"admin"})
TELLERS = frozenset({"teller"})

POLICIES = Policies(
    {
        Withdraw: roles("teller"),
        Deposit: roles("teller") | roles("operator"),
        GetAccount: anyone(),
        ListAccounts: known(),
        stream("account"): roles("operator"),
    }
)
MESSAGES: Mapping[type, frozenset[str]] = {
    OpenAccount: OPERATORS,
    Withdraw: TELLERS,
    Deposit: OPERATORS | TELLERS,
    GetAccount: EVERYBODY,
    ListAccounts: KNOWN,
}
TABLE: Mapping[str, frozenset[str]] = {
    "livez": EVERYBODY,
    "readyz": EVERYBODY,
    "version": EVERYBODY,
    "list-problems": EVERYBODY,
    "explain-problem": EVERYBODY,
    "show-sign-in": EVERYBODY,
    "sign-in": EVERYBODY,
    "sign-out": EVERYBODY,
    "openapi": VIEWERS,
    "metrics": VIEWERS,
    # What shows the log shows the streams of accounts too, which a policy gives to operators only.
    "list-streams": OPERATORS,
    "read-stream": OPERATORS,
    "read-stream-state": OPERATORS,
    "read-stream-history": OPERATORS,
    "read-events": OPERATORS,
    "follow-events": OPERATORS,
    "list-projections": VIEWERS,
    "show-projection": VIEWERS,
    "show-rebuild": VIEWERS,
    "pause-projection": OPERATORS,
    "resume-projection": OPERATORS,
    "rebuild-projection": OPERATORS,
    "reset-projection": ADMINS,
    "list-parked": OPERATORS,
    "show-parked": OPERATORS,
    "retry-parked": OPERATORS,
    "skip-parked": OPERATORS,
    "substitute-parked": OPERATORS,
}
"""Who may, by operation; those of commands and queries are in MESSAGES."""
PATH_VALUES = {"stream": "account-a1"}


def who_may(operation: Operation) -> frozenset[str]:
    return TABLE[operation.id] if operation.message is None else MESSAGES[operation.message]


def path_of(operation: Operation) -> str:
    path = operation.path
    for parameter in operation.parameters:
        if parameter.place == "path":
            path = path.replace(f"{{{parameter.name}}}", PATH_VALUES.get(parameter.name, "a1"))
    return path


def stubbed(api: HttpApi) -> HttpApi:
    """The same API, with endpoints that only say that one came in."""

    async def came_in(request: Request) -> Response:
        return Response(status_code=204)

    for route in api._router.routes:  # pyright: ignore[reportPrivateUsage]
        handling = route.app  # type: ignore[attr-defined]
        assert isinstance(handling, Handling)
        handling.operation = msgspec.structs.replace(handling.operation, endpoint=came_in)
    return api


def test_every_operation_is_in_the_table(tmp_path: Path) -> None:
    operations = HttpApi(bank(str(tmp_path / "bank.db"), authentication=True)).operations
    missing = [each.id for each in operations if each.id not in TABLE and each.message not in MESSAGES]
    assert not missing, f"Say in TABLE who may use {missing}."


def test_every_route_goes_through_the_gate(tmp_path: Path) -> None:
    api = HttpApi(bank(str(tmp_path / "bank.db"), authentication=True))
    handled: list[Any] = [route.app for route in api._router.routes]  # type: ignore[attr-defined]  # pyright: ignore
    assert [each.operation.id for each in handled] == [operation.id for operation in api.operations]
    assert all(isinstance(each, Handling) and each._gate is api.gate for each in handled)  # pyright: ignore
    assert {*api._fixed.values()} <= {*handled}  # pyright: ignore


async def test_the_matrix(folder: Path) -> None:
    async with guarded(folder, authorize=POLICIES) as api:
        secrets = {role: await tokens_of(api).create(f"a-{role}", [role]) for role in ROLES}
        clients: dict[str, httpx.AsyncClient] = {role: asking(api, secret) for role, secret in secrets.items()}
        clients["anonymous"] = asking(api)
        stubbed(api)
        wrong: list[str] = []
        for operation in api.operations:
            for caller, client in clients.items():
                refused = 401 if caller == "anonymous" else 403
                expected = 204 if caller in who_may(operation) else refused
                got = (await client.request(operation.method, path_of(operation))).status_code
                if got != expected:
                    wrong.append(f"{operation.id} for {caller}: {got} instead of {expected}")
        for client in clients.values():
            await client.aclose()
    assert not wrong


async def test_what_no_policy_names_needs_operator_or_viewer(folder: Path) -> None:
    async with guarded(folder) as api:
        secret = await tokens_of(api).create("a", ["viewer"])
        stubbed(api)
        async with asking(api, secret) as client:
            for operation in api.operations:
                if operation.message is not None:
                    is_query = operation.message in {GetAccount, ListAccounts}
                    got = (await client.request(operation.method, path_of(operation))).status_code
                    assert got == (204 if is_query else 403), operation.id


async def test_a_policy_on_one_stream_leaves_the_others_to_viewers(folder: Path) -> None:
    async with guarded(folder, authorize=Policies({stream("account"): roles("auditor")})) as api:
        viewer = await tokens_of(api).create("v", ["viewer"])
        auditor = await tokens_of(api).create("au", ["viewer", "auditor"])
        stubbed(api)
        async with asking(api, viewer) as client:
            assert (await client.get("/streams/account-a1")).status_code == 403
            assert (await client.get("/streams/account-a1/history")).status_code == 403
            assert (await client.get("/streams/other-a1")).status_code == 204
            assert (await client.get("/events")).status_code == 403
        async with asking(api, auditor) as client:
            assert (await client.get("/streams/account-a1")).status_code == 204
            assert (await client.get("/events")).status_code == 204


async def test_the_owner_may_and_others_may_not(folder: Path) -> None:
    policies = Policies({OpenAccount: owner_of("owner"), GetAccount: anyone()})
    async with guarded(folder, authorize=policies) as api:
        secret = await tokens_of(api).create("ann", ["customer"])
        body = {"account_id": "a1", "owner": "token:ann"}
        async with asking(api, secret) as client:
            assert (await client.post("/accounts", json=body | {"owner": "bob"})).status_code == 403
            assert (await client.post("/accounts", json=body)).status_code == 201
        async with asking(api) as client:
            assert (await client.post("/accounts", json=body)).status_code == 401
            assert (await client.get("/accounts/a1", headers={"everfold-after": "1"})).status_code == 200


@pytest.mark.parametrize("needs", [Needs.POLICY])
def test_a_policy_needs_a_message(tmp_path: Path, needs: Needs) -> None:
    api = HttpApi(bank(str(tmp_path / "bank.db")))
    operation = msgspec.structs.replace(api.operations[0], id="x", message=None, needs=needs)
    with pytest.raises(DefinitionError, match="needs a policy"):
        AccessRules(api.app).of(operation)


def test_a_policy_for_what_is_not_handled_is_found_at_the_start(tmp_path: Path) -> None:
    class GetNothing(GetAccount, name="get-nothing"):
        pass

    with pytest.raises(DefinitionError, match="GetNothing, which the app 'bank' does not handle"):
        HttpApi(bank(str(tmp_path / "bank.db"), authorize=Policies({GetNothing: anyone()})))


async def test_a_function_of_the_apps_own_decides_about_who_is_known(folder: Path) -> None:
    def authorize(envelope: Envelope) -> bool:
        return envelope.name == "open-account"

    async with guarded(folder, authorize=authorize) as api:
        secret = await tokens_of(api).create("ann", ["customer"])
        async with asking(api, secret) as client:
            made = await client.post("/accounts", json={"account_id": "a1", "owner": "ann"})
            assert made.status_code == 201
            assert (await client.get("/accounts/a1")).status_code == 403
        async with asking(api) as client:
            assert (await client.post("/accounts", json={})).status_code == 401
