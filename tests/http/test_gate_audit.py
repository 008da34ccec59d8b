"""Every operator verb over HTTP is in the audit, complete by construction: a new one that is not fails a test."""

import asyncio
from pathlib import Path
from typing import Any

import pytest

from everfold.app.operator_actions import AUDIT_STREAM, OperatorActionEnded, OperatorActionStarted
from everfold.http.api import HttpApi
from everfold.http.operation import Needs
from everfold.http.parked_routes import ParkedRoutes
from tests.http.bank import OpenAccount
from tests.http.guarded import as_role, guarded

ACTIONS = {
    "pause-projection": ("pause", {"reason": "wrong totals"}),
    "resume-projection": ("resume", None),
    "rebuild-projection": ("rebuild", None),
    "reset-projection": ("reset", None),
    "retry-parked": ("retry", None),
    "skip-parked": ("skip", {"position": 1, "reason": "wrong totals"}),
    "substitute-parked": ("substitute", {"position": 1, "data": {"amount": 1}, "reason": "wrong totals"}),
}
"""The action that an operation records, and a body for it."""


async def audited(api: HttpApi) -> list[tuple[Any, str | None]]:
    return [(event, record.metadata.actor) async for event, record in api.app.store.read_stream(AUDIT_STREAM)]


async def test_every_operator_verb_is_recorded(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def checked(*arguments: object) -> None:
        """As if the event was set aside: what becomes of the verb then is not the matter here."""

    monkeypatch.setattr(ParkedRoutes, "_check", checked)
    async with guarded(folder) as api, await as_role(api, "admin") as client:
        done = await api.app.execute(OpenAccount(account_id="a1", owner="ann"))
        assert (await client.get("/accounts/a1", headers={"everfold-after": str(done.position)})).status_code == 200
        for operation in api.operations:
            if operation.needs not in {Needs.OPERATOR, Needs.ADMIN} or operation.method == "GET":
                continue
            assert operation.id in ACTIONS, f"Say in ACTIONS what {operation.id} records, and have it do so."
            action, body = ACTIONS[operation.id]
            path = operation.path.format(name="account-summaries", projection="account-summaries", stream="account-a1")
            seen = len(await audited(api))
            response = await client.request(operation.method, path, json=body)
            assert response.status_code < 500, response.text
            found: list[tuple[Any, str | None]] = []
            while not any(isinstance(event, OperatorActionEnded) for event, _ in found):
                await asyncio.sleep(0.01)  # a rebuild goes on after the answer
                found = (await audited(api))[seen:]
            (started, actor), (ended, _) = found
            assert isinstance(started, OperatorActionStarted)
            assert (started.action, started.target, started.by) == (action, "projection account-summaries", "http")
            assert (ended.action, ended.started, actor) == (action, seen + 1, "token:a-admin")
            if body:
                assert started.reason == "wrong totals"


async def test_who_is_refused_is_not_in_the_audit(folder: Path) -> None:
    async with guarded(folder) as api, await as_role(api, "viewer") as client:
        for operation_id in ACTIONS:
            operation = next(each for each in api.operations if each.id == operation_id)
            path = operation.path.format(name="account-summaries", projection="account-summaries", stream="account-a1")
            assert (await client.request(operation.method, path)).status_code == 403
        assert await audited(api) == []
