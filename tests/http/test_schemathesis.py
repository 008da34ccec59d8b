"""schemathesis asks whatever the OpenAPI document allows, and what it forbids: no 5xx, nothing undocumented.

``FUZZ_EXAMPLES=100 FUZZ_SEED=7 pytest tests/http/test_schemathesis.py`` looks longer, and elsewhere.
"""

import asyncio
import os
import re
from collections.abc import Generator, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
import schemathesis
from schemathesis.config import SchemathesisConfig
from schemathesis.engine import events, from_schema
from schemathesis.python import asgi
from starlette.requests import Request

from everfold.http.api import HttpApi
from everfold.http.gate import GateKeeper
from everfold.http.operation import Operation
from everfold.security.principal import Principal
from examples.orders.app import orders_app
from examples.products.app import products_app
from tests.http.bank import bank

SEED = int(os.environ.get("FUZZ_SEED", "20261121"))
EXAMPLES = int(os.environ.get("FUZZ_EXAMPLES", "4"))
HOST = "testserver"
"""What schemathesis calls an application that it asks without a socket."""
CONFIG: dict[str, Any] = {
    "seed": SEED,
    "max-stream-events": 1,
    "generation": {
        "max-examples": EXAMPLES,
        "database": "none",
        "no-shrink": True,
        "with-security-parameters": False,
        "allow-extra-parameters": False,  # headers that we do not know are not refused
    },
    "phases": {
        "examples": {"enabled": True},
        "coverage": {"enabled": True, "unexpected-methods": ["delete", "patch"]},
        "fuzzing": {"enabled": True},
        "stateful": {"enabled": True, "max-steps": 4},
    },
    # A schema does not say which texts can be keys, and where the log ends.
    "checks": {"positive_data_acceptance": {"enabled": False}},
}


class StaffGate:
    """Lets everybody in, as somebody who may do everything."""

    async def admit(self, request: Request, operation: Operation) -> Principal:
        return Principal(name="ann", roles=frozenset({"admin", "staff"}), is_trusted=True)


@pytest.fixture(autouse=True)
def lifespans() -> Generator[None]:
    """schemathesis starts what it tests, and stops it at the end of the process; here it is stopped at once."""
    yield
    asgi.shutdown_lifespans()


def test_every_operation_with_every_check(folder: Path) -> None:
    """Those that are not for everybody are also asked without a token, and with a wrong one."""

    def guarded() -> HttpApi:
        return HttpApi(bank(str(folder / "bank.db"), authentication=True, allowed_hosts=(HOST,)))

    async def token() -> str:
        api = guarded()
        assert isinstance(api.gate, GateKeeper)
        async with api.lifespan():
            return await api.gate.authentication.tokens.create("ann", ["admin"])

    api = guarded()
    check(api, api.operations, CONFIG | {"headers": {"Authorization": f"Bearer {asyncio.run(token())}"}})


@pytest.mark.parametrize("make", [products_app, orders_app])
def test_the_messages_of_the_examples(make: Any, folder: Path) -> None:
    api = HttpApi(make(str(folder / "example.db")), gate=StaffGate())
    phases = CONFIG["phases"] | {"coverage": {"enabled": False}}
    checks = CONFIG["checks"] | {"ignored_auth": {"enabled": False}}

    of_messages = [operation for operation in api.operations if operation.message is not None]
    check(api, of_messages, CONFIG | {"phases": phases, "checks": checks})


def check(api: HttpApi, operations: Sequence[Operation], config: dict[str, Any]) -> None:
    """Ask these operations, and look at everything that is answered."""
    configured: Any = SchemathesisConfig
    schema: Any = schemathesis.openapi.from_asgi(
        "/openapi.json", api, config=configured.from_dict(config), headers=config.get("headers", {})
    )
    schema = schema.include(operation_id=[operation.id for operation in operations])
    wrong: list[str] = []
    asked: set[str] = set()

    for event in from_schema(schema).execute():
        if isinstance(event, events.ScenarioFinished):
            cases: Any = event.recorder.cases
            asked |= {case.value.operation.label for case in cases.values()}
            wrong += [*failures(event)]
        elif isinstance(event, events.NonFatalError):
            wrong.append(f"{event.label}: {event.value!r}")
        elif isinstance(event, events.FatalError):
            raise event.exception

    assert not wrong, "\n\n".join(dict.fromkeys(wrong))
    assert asked == {f"{operation.method} {operation.path}" for operation in operations}


def failures(event: events.ScenarioFinished) -> Iterator[str]:
    """Each with a command line that shows it again."""
    for checks in event.recorder.checks.values():
        for check in checks:
            if check.failure_info is not None:
                failure = check.failure_info
                if was_sent(failure.failure.message, failure.code_sample):
                    said = failure.failure
                    yield f"{check.name}: {said.title}\n{said.message[:500]}\n{failure.code_sample}"


def was_sent(message: str, command_line: str) -> bool:
    """Whether the wrong value has reached the URL: of an empty list nothing is left there."""
    named = re.search(r"parameter `(\w+)` in query", message)
    return named is None or f"{named[1]}=" in command_line.partition("?")[2]
