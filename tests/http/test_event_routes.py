"""The feed: pages of the log that can be kept for ever, and a last one that cannot."""

from typing import Any

import pytest
from httpx import AsyncClient

from everfold.http.api import HttpApi
from tests.http.bank import Deposit, OpenAccount


@pytest.fixture(autouse=True)
async def seven_events(bank_api: HttpApi) -> None:
    """a1 and b1 opened (1, 2), then deposits of 3 to 7 into a1 and b1 by turns."""
    await bank_api.app.execute(OpenAccount(account_id="a1", owner="Ann"))
    await bank_api.app.execute(OpenAccount(account_id="b1", owner="Bob"))
    for amount in range(3, 8):
        await bank_api.app.execute(Deposit(account_id="ab"[amount % 2] + "1", amount=amount))


async def page(client: AsyncClient, path: str) -> Any:
    found = await client.get(path)
    assert found.status_code == 200, found.text
    return found.json()


def places(page: Any) -> list[int]:
    return [record["position"] for record in page["records"]]


async def test_following_next_reads_every_record_once(client: AsyncClient) -> None:
    path, found = "/events?limit=3", list[int]()
    while path:
        read = await page(client, path)
        found += places(read)
        path = read["links"].get("next")
    assert found == [1, 2, 3, 4, 5, 6, 7]


async def test_a_full_page_may_be_kept_for_ever(client: AsyncClient) -> None:
    found = await client.get("/events?limit=3")
    assert found.headers["cache-control"] == "private, max-age=31536000, immutable"
    assert found.headers["link"] == ('</events?limit=3>; rel="self", </events?limit=3&after=3>; rel="next"')
    assert found.headers["everfold-position"] == "3"
    again = await client.get("/events?limit=3", headers={"If-None-Match": found.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")


async def test_the_last_page_is_not_kept_and_leads_to_what_comes(client: AsyncClient) -> None:
    found = await client.get("/events?after=6&limit=3&type=money-deposited")
    assert found.headers["cache-control"] == "no-store"
    assert "etag" not in found.headers
    links = found.json()["links"]
    assert links["live"] == "/events/live?type=money-deposited&after=7"
    assert "next" not in links
    assert found.json()["position"] == 7


async def test_a_page_up_to_a_position_is_final_when_the_log_has_passed_it(client: AsyncClient) -> None:
    found = await client.get("/events?after=2&until=5&limit=100")
    assert places(found.json()) == [3, 4, 5]
    assert "immutable" in found.headers["cache-control"]
    assert set(found.json()["links"]) == {"self", "prev"}
    beyond = await client.get("/events?until=8&limit=100")
    assert beyond.headers["cache-control"] == "no-store"


async def test_an_empty_page_that_is_final(client: AsyncClient) -> None:
    found = await client.get("/events?until=3&type=unheard-of")
    assert (found.json()["records"], found.json()["position"]) == ([], 3)
    again = await client.get("/events?until=3&type=unheard-of", headers={"If-None-Match": found.headers["etag"]})
    assert again.status_code == 304


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("type=account-opened", [1, 2]),
        ("type=account-opened&type=money-deposited", [1, 2, 3, 4, 5, 6, 7]),
        ("tag=owner:Bob", [2]),
        ("tag=owner:Bob&tag=owner:Ann", []),
        ("category=account", [1, 2, 3, 4, 5, 6, 7]),
        ("category=other", []),
        ("stream=account-a1", [1, 4, 6]),
        ("stream=account-a1&type=money-deposited", [4, 6]),
        ("after=5", [6, 7]),
        ("after=999999999999999999", []),
    ],
)
async def test_filters(client: AsyncClient, query: str, found: list[int]) -> None:
    assert places(await page(client, f"/events?{query}")) == found


async def test_backwards_the_newest_come_first(client: AsyncClient) -> None:
    first = await client.get("/events?backwards=true&limit=3")
    assert first.headers["cache-control"] == "no-store"
    assert places(first.json()) == [7, 6, 5]
    second = await page(client, first.json()["links"]["next"])
    assert places(second) == [4, 3, 2]
    third = await page(client, second["links"]["next"])
    assert places(third) == [1]
    assert "next" not in third["links"]
    assert places(await page(client, second["links"]["prev"])) == [5, 6, 7]
    assert "immutable" in (await client.get(first.json()["links"]["next"])).headers["cache-control"]


async def test_the_page_before(client: AsyncClient) -> None:
    found = await page(client, "/events?after=4&limit=2")
    assert places(await page(client, found["links"]["prev"])) == [4, 3]


@pytest.mark.parametrize("limit", [1, 2, 7])
async def test_next_is_there_exactly_when_more_may_come(client: AsyncClient, limit: int) -> None:
    found = await page(client, f"/events?after=5&limit={limit}")
    assert ("next" in found["links"]) == (limit <= 2)


@pytest.mark.parametrize(
    ("query", "code"),
    [
        ("after=-1", "invalid-parameter"),
        ("after=x", "invalid-parameter"),
        ("after=" + "9" * 400, "invalid-parameter"),
        ("until=1.5", "invalid-parameter"),
        ("limit=0", "invalid-parameter"),
        ("limit=1001", "invalid-parameter"),
        ("backwards=perhaps", "invalid-parameter"),
        ("type=", "invalid-parameter"),
        ("type=%00", "invalid-parameter"),
        ("tag=" + "t" * 401, "invalid-parameter"),
        ("stream=", "invalid-name"),
        ("stream=a", "invalid-name"),
        ("stream=a%ED%A0%80-b", "invalid-name"),
        ("category=a-b", "invalid-name"),
        ("types=a", "invalid-parameter"),
    ],
)
async def test_what_is_wrong_is_told(client: AsyncClient, query: str, code: str) -> None:
    found = await client.get(f"/events?{query}")
    assert (found.status_code, found.json()["code"]) == (422, code)


async def test_the_log_may_be_empty(client: AsyncClient, bank_api: HttpApi) -> None:
    found = await page(client, "/events?stream=account-none")
    assert (found["records"], found["position"]) == ([], 7)
