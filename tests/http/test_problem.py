"""Problems: every code has a page, a section in the documentation, a status, and is told without secrets."""

import logging
from collections.abc import AsyncGenerator
from pathlib import Path
from typing import Any

import httpx
import pytest

from everfold import App, Query, Rejected, errors
from everfold.errors import EverfoldError
from everfold.http.api import HttpApi
from everfold.http.gate import OPEN
from everfold.http.openapi.problem_replies import codes_of
from everfold.http.problem import INTERNAL, problem_response
from everfold.http.problem_pages import ADVICE, FAULTS, PAGES, as_markdown
from tests.http.bank import bank

DOCUMENTATION = Path(__file__).parents[2] / "docs" / "problems.md"
SECRET = "xyzzy"
SPECIAL: dict[str, EverfoldError] = {
    "body-too-large": errors.BodyTooLarge(5),
    "idempotency-key-reused": errors.IdempotencyKeyReused("k1"),
    "invalid-event": errors.InvalidEvent("paid", "it is wrong."),
    "invalid-message": errors.InvalidMessage("pay", "it is wrong."),
    "method-not-allowed": errors.MethodNotAllowed("PUT", ("GET", "HEAD")),
    "not-found": errors.NotFound("product", "p1"),
    "payload-too-large": errors.PayloadTooLarge("paid", 7, 5),
    "projection-failed": errors.ProjectionFailed("rows", SECRET, position=1, stream="a-1", event_type="paid"),
    "rate-limited": errors.RateLimited(2.4),
    "read-model-behind": errors.ReadModelBehind("rows", wanted=5, reached=3, why="It is slow."),
    "rejected": Rejected("too-much", "The balance is 3.", balance=3),
    "undecodable-record": errors.UndecodableRecord("paid", 1, SECRET, position=1, stream="a-1"),
    "unknown-event-type": errors.UnknownEventType("paid", 1, position=1, stream=SECRET),
    "unknown-message": errors.UnknownMessage("query", "nothing", ("something",)),
}
"""Errors that are not made of a sentence alone."""
HEADERS = {
    "method-not-allowed": ("allow", "GET, HEAD"),
    "rate-limited": ("retry-after", "2"),
    "read-model-behind": ("retry-after", "1"),
    "timed-out": ("retry-after", "1"),
    "not-authenticated": ("www-authenticate", 'Bearer realm="everfold"'),
}


def error_of(code: str) -> EverfoldError:
    if code in SPECIAL:
        return SPECIAL[code]
    classes: list[Any] = [getattr(errors, name) for name in errors.__all__]
    [kind] = [kind for kind in classes if "code" in vars(kind) and kind.code == code]
    error: EverfoldError = kind(f"This is {SECRET}.")
    return error


class Fail(Query[int]):
    code: str


@pytest.fixture
async def failing(folder: Path) -> AsyncGenerator[httpx.AsyncClient]:
    """Fails in the way that is asked for."""
    app = App("failing", store="memory:")

    @app.answers(Fail)
    async def fail(query: Fail) -> int:
        raise ZeroDivisionError(SECRET) if query.code == INTERNAL else error_of(query.code)

    api = HttpApi(app, gate=OPEN)
    transport = httpx.ASGITransport(api)
    async with api.lifespan(), httpx.AsyncClient(transport=transport, base_url="http://localhost") as client:
        yield client


@pytest.mark.parametrize("code", PAGES)
async def test_every_code_is_told_as_its_page_says(
    failing: httpx.AsyncClient, code: str, caplog: pytest.LogCaptureFixture
) -> None:
    response = await failing.get("/queries/fail", params={"code": code})

    page, problem = PAGES[code], response.json()
    assert response.status_code == page.status
    assert response.headers["content-type"] == "application/problem+json"
    assert (problem["code"], problem["type"], problem["title"]) == (code, page.type, page.title)
    assert problem["status"] == page.status
    if page.status == 500:
        assert SECRET not in response.text
        assert SECRET in caplog.text
    name, value = HEADERS.get(code, ("", ""))
    assert response.headers.get(name, "") == value


@pytest.mark.parametrize("code", PAGES)
async def test_every_problem_leads_to_its_page(failing: httpx.AsyncClient, code: str) -> None:
    problem = (await failing.get("/queries/fail", params={"code": code})).json()

    page = (await failing.get(problem["help"])).json()

    assert (page["code"], page["type"], page["status"]) == (code, problem["type"], problem["status"])
    assert page["about"]
    assert page["advice"].endswith(".")


async def test_the_pages_are_listed(failing: httpx.AsyncClient) -> None:
    assert [page["code"] for page in (await failing.get("/problems")).json()] == sorted(PAGES)


def test_every_code_that_an_operation_may_answer_has_a_page() -> None:
    operations = HttpApi(bank("bank.db")).operations

    assert {code for operation in operations for code in codes_of(operation)} <= set(PAGES)
    assert set(ADVICE) == set(PAGES)


def test_the_documentation_has_a_section_for_each() -> None:
    """Written by: python -c "from everfold.http.problem_pages import as_markdown as m; print(m(), end='')"."""
    assert DOCUMENTATION.read_text(encoding="utf-8") == as_markdown()


def test_faults_of_the_service_are_the_only_ones_with_500() -> None:
    assert {code for code, page in PAGES.items() if page.status == 500} == {*FAULTS, INTERNAL}


def test_facts_that_json_cannot_hold_are_left_out(caplog: pytest.LogCaptureFixture) -> None:
    response = problem_response(Rejected("odd", "It is odd.", what=object()))

    assert response.status_code == 409
    assert b'"reason":"odd"' in bytes(response.body)
    assert b"facts" not in bytes(response.body)


def test_what_nobody_foresaw_is_logged_and_not_told(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.ERROR, "everfold.http"):
        response = problem_response(ValueError(SECRET))

    assert response.status_code == 500
    assert SECRET.encode() not in bytes(response.body)
    assert SECRET in caplog.text
