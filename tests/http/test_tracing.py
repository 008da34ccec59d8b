from collections.abc import AsyncGenerator
from pathlib import Path

import httpx
import pytest
from opentelemetry import metrics, trace
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.trace import SpanKind, StatusCode

from everfold.http.api import HttpApi
from everfold.http.gate import OPEN
from everfold.log.selection import EVERYTHING
from tests.http.bank import bank
from tests.telemetry.test_open_telemetry import SPAN, TRACE, TRACEPARENT, Traced, span_id, trace_id

ANN = {"account_id": "a1", "owner": "Ann"}


@pytest.fixture
def traced(monkeypatch: pytest.MonkeyPatch) -> Traced:
    """In place of what a program configures globally, which can be done only once in a process."""
    traced = Traced()

    def get_tracer(*_: object, **__: object) -> trace.Tracer:
        return traced.tracers.get_tracer("everfold")

    def get_meter(*_: object, **__: object) -> metrics.Meter:
        return traced.meters.get_meter("everfold")

    monkeypatch.setattr(trace, "get_tracer", get_tracer)
    monkeypatch.setattr(metrics, "get_meter", get_meter)
    return traced


@pytest.fixture
async def traced_api(folder: Path, traced: Traced) -> AsyncGenerator[HttpApi]:
    api = HttpApi(bank(str(folder / "bank.db"), opentelemetry=True), gate=OPEN)
    async with api.lifespan():
        yield api


@pytest.fixture
async def asked(traced_api: HttpApi) -> AsyncGenerator[httpx.AsyncClient]:
    async with httpx.AsyncClient(transport=httpx.ASGITransport(traced_api), base_url="http://localhost") as client:
        yield client


def parent_of(span: ReadableSpan) -> int:
    assert span.parent is not None
    return span.parent.span_id


async def test_a_request_its_command_and_append_are_one_trace(
    traced_api: HttpApi, asked: httpx.AsyncClient, traced: Traced
) -> None:
    response = await asked.post("/accounts", json=ANN, headers={"traceparent": TRACEPARENT})
    assert response.status_code == 201
    request, command, append = (
        traced.one("POST /accounts"), traced.one("command open-account"), traced.one("append account")
    )  # fmt: skip
    assert f"{parent_of(request):016x}" == SPAN
    assert parent_of(command) == span_id(request)
    assert parent_of(append) == span_id(command)
    assert {f"{trace_id(span):032x}" for span in (request, command, append)} == {TRACE}
    assert not command.links
    (record,) = await traced_api.app.store.engine.read(EVERYTHING, after=0, limit=10)
    assert f"{span_id(command):016x}" in (record.metadata.traceparent or "")


async def test_a_request_has_the_names_of_the_conventions(asked: httpx.AsyncClient, traced: Traced) -> None:
    assert (await asked.get("/accounts/very-private")).status_code == 404
    await asked.get("/livez?password=hunter2")
    (span,) = traced.spans("GET /accounts/{account_id}")
    assert span.kind is SpanKind.SERVER
    assert dict(span.attributes or {}) == {
        "http.request.method": "GET",
        "url.scheme": "http",
        "http.route": "/accounts/{account_id}",
        "http.response.status_code": 404,
    }
    assert span.status.status_code is StatusCode.UNSET
    points = traced.measured()["http.server.request.duration"]
    assert {point.attributes["http.route"] for point in points} == {"/accounts/{account_id}", "/livez"}
    told = "".join(each.to_json() for each in traced.spans())
    assert "very-private" not in told
    assert "hunter2" not in told


async def test_a_failure_is_an_error_of_the_span(
    traced_api: HttpApi, asked: httpx.AsyncClient, traced: Traced, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def broken(*_: object, **__: object) -> None:
        raise RuntimeError("very private")

    monkeypatch.setattr(traced_api.app, "execute", broken)
    assert (await asked.post("/accounts", json=ANN)).status_code == 500
    span = traced.one("POST /accounts")
    assert span.status.status_code is StatusCode.ERROR
    assert (span.attributes or {})["error.type"] == "500"
    assert "very private" not in span.to_json()


async def test_where_nothing_is_found_the_span_ends_too(asked: httpx.AsyncClient, traced: Traced) -> None:
    assert (await asked.get("/nowhere")).status_code == 404
    assert (await asked.request("BREW", "/nowhere")).status_code == 404
    assert (await asked.delete("/livez")).status_code == 405
    assert [span.name for span in traced.spans()] == ["GET", "_OTHER", "DELETE"]
    assert "nowhere" not in "".join(span.to_json() for span in traced.spans())


async def test_within_a_span_of_the_host_there_is_no_second_one(asked: httpx.AsyncClient, traced: Traced) -> None:
    with traced.tracers.get_tracer("host").start_as_current_span("of the host"):
        await asked.post("/accounts", json=ANN)
    host = traced.one("of the host")
    assert parent_of(traced.one("command open-account")) == span_id(host)
    assert not traced.spans("POST /accounts")
    assert "http.server.request.duration" not in traced.measured()
